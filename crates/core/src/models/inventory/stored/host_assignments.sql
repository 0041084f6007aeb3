-- What a host has beside its lists, too.
SELECT o.id, o.name, o.definition || jsonb_build_object(
           'handlers', coalesce((
               SELECT jsonb_object_agg(n.service, n.handlers) FROM (
                   SELECT s.name AS service, jsonb_agg(h.name ORDER BY e.position, h.name) AS handlers
                   FROM services_members m JOIN services s ON s.id = m.services_id
                   JOIN events_handlers_members e ON e.services_members_id = m.id
                   JOIN event_handlers h ON h.id = e.event_handlers_id
                   WHERE m.hosts_id = o.id AND e.direct GROUP BY s.name) n), '{}'),
           'dropped_services', coalesce((
               SELECT jsonb_agg(s.name ORDER BY s.name) FROM services_members m
               JOIN services s ON s.id = m.services_id WHERE m.hosts_id = o.id AND m.dropped), '[]'),
           'dropped_handlers', coalesce((
               SELECT jsonb_object_agg(n.service, n.handlers) FROM (
                   SELECT s.name AS service, jsonb_agg(h.name ORDER BY h.name) AS handlers
                   FROM services_members m JOIN services s ON s.id = m.services_id
                   JOIN events_handlers_members e ON e.services_members_id = m.id
                   JOIN event_handlers h ON h.id = e.event_handlers_id
                   WHERE m.hosts_id = o.id AND e.dropped GROUP BY s.name) n), '{}')) AS definition
FROM ($stored$) o
