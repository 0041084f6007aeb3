-- Handlers of a host itself, after the copies; they stand behind those that the service brings.
WITH wanted AS (
    SELECT l.id AS hosts_id, m.id AS services_members_id, h.id AS event_handlers_id, a.place
    FROM load_hosts l CROSS JOIN LATERAL jsonb_each(l.handlers) AS n (service, handlers)
    JOIN services s ON s.name = n.service JOIN services_members m ON m.hosts_id = l.id AND m.services_id = s.id
    CROSS JOIN LATERAL jsonb_array_elements_text(n.handlers) WITH ORDINALITY AS a (handler, place)
    JOIN event_handlers h ON h.name = a.handler
), present AS (
    SELECT e.id, m.hosts_id, e.inherited, EXISTS (
               SELECT 1 FROM wanted w WHERE w.services_members_id = e.services_members_id
                   AND w.event_handlers_id = e.event_handlers_id) AS stays
    FROM load_hosts l JOIN services_members m ON m.hosts_id = l.id
    JOIN events_handlers_members e ON e.services_members_id = m.id
    WHERE l.handlers IS NOT NULL AND e.direct
), gone AS (
    DELETE FROM events_handlers_members e USING present p
    WHERE e.id = p.id AND NOT p.stays AND NOT p.inherited RETURNING p.hosts_id
), inherited AS (
    UPDATE events_handlers_members e SET direct = false FROM present p
    WHERE e.id = p.id AND NOT p.stays AND p.inherited RETURNING p.hosts_id
), added AS (
    INSERT INTO events_handlers_members AS e (services_members_id, event_handlers_id, position, direct)
    SELECT w.services_members_id, w.event_handlers_id, w.place + coalesce((
               SELECT max(x.position) FROM events_handlers_members x
               WHERE x.services_members_id = w.services_members_id), 0), true
    FROM wanted w
    ON CONFLICT (services_members_id, event_handlers_id) DO UPDATE SET direct = true WHERE NOT e.direct
    RETURNING e.services_members_id
)
SELECT name FROM hosts WHERE id IN (
    SELECT hosts_id FROM gone UNION SELECT hosts_id FROM inherited UNION
    SELECT m.hosts_id FROM added a JOIN services_members m ON m.id = a.services_members_id)
