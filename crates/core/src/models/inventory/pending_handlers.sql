-- How the handlers of the service $1 differ from its template on the hosts that have it.
WITH wanted AS (
    SELECT s.id AS services_members_id, s.hosts_id, t.event_handlers_id, t.position
    FROM services_members s JOIN services_event_handlers t USING (services_id) WHERE s.services_id = $1
), present AS (
    SELECT e.*, s.hosts_id FROM services_members s JOIN events_handlers_members e ON e.services_members_id = s.id
    WHERE s.services_id = $1
), differences AS (
    SELECT w.hosts_id, w.event_handlers_id,
           CASE WHEN p.id IS NULL THEN 'gets' WHEN NOT p.inherited THEN 'has' ELSE 'reordered' END AS what
    FROM wanted w
    LEFT JOIN present p ON p.services_members_id = w.services_members_id AND p.event_handlers_id = w.event_handlers_id
    WHERE p.id IS NULL OR NOT p.inherited OR (NOT p.direct AND p.position <> w.position)
    UNION ALL
    SELECT p.hosts_id, p.event_handlers_id, CASE WHEN p.direct THEN 'keeps' ELSE 'loses' END FROM present p
    WHERE p.inherited AND NOT EXISTS (
        SELECT 1 FROM wanted w
        WHERE w.services_members_id = p.services_members_id AND w.event_handlers_id = p.event_handlers_id)
)
SELECT h.id, h.name, bool_or(d.what = 'reordered') AS reordered, count(*) OVER () AS total,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'gets'), '{}') AS gets,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'has'), '{}') AS has,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'loses'), '{}') AS loses,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'keeps'), '{}') AS keeps
FROM differences d JOIN hosts h ON h.id = d.hosts_id JOIN event_handlers v ON v.id = d.event_handlers_id
GROUP BY h.id, h.name ORDER BY h.name LIMIT $2
