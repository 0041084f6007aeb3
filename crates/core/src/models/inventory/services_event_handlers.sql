WITH wanted AS (
    SELECT l.id AS services_id, h.id AS event_handlers_id, n.position::integer AS position
    FROM load_services l, unnest(l.handlers) WITH ORDINALITY AS n (name, position)
    JOIN event_handlers h ON h.name = n.name
), gone AS (
    DELETE FROM services_event_handlers x USING load_services l
    WHERE x.services_id = l.id AND l.handlers IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM wanted w
                      WHERE w.services_id = x.services_id AND w.event_handlers_id = x.event_handlers_id)
    RETURNING x.services_id
), added AS (
    INSERT INTO services_event_handlers AS x (services_id, event_handlers_id, position)
    SELECT services_id, event_handlers_id, position FROM wanted
    ON CONFLICT (services_id, event_handlers_id) DO UPDATE SET position = excluded.position
    WHERE x.position <> excluded.position RETURNING x.services_id
)
SELECT s.name FROM services s WHERE s.id IN (SELECT services_id FROM gone UNION SELECT services_id FROM added)
