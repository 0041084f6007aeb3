-- What services bring and a host does without, after the copies.
WITH wanted AS (
    SELECT m.id AS services_members_id, h.id AS event_handlers_id
    FROM load_hosts l CROSS JOIN LATERAL jsonb_each(l.dropped_handlers) AS n (service, handlers)
    JOIN services s ON s.name = n.service JOIN services_members m ON m.hosts_id = l.id AND m.services_id = s.id
    CROSS JOIN LATERAL jsonb_array_elements_text(n.handlers) AS a (handler) JOIN event_handlers h ON h.name = a.handler
), changed AS (
    UPDATE events_handlers_members e
    SET dropped = NOT e.dropped, direct = e.direct AND e.dropped
    FROM load_hosts l JOIN services_members m ON m.hosts_id = l.id
    WHERE e.services_members_id = m.id AND l.dropped_handlers IS NOT NULL AND e.inherited AND e.dropped <> EXISTS (
        SELECT 1 FROM wanted w
        WHERE w.services_members_id = e.services_members_id AND w.event_handlers_id = e.event_handlers_id)
    RETURNING m.hosts_id
)
SELECT name FROM hosts WHERE id IN (SELECT hosts_id FROM changed)
