-- How the members of the host group $1 differ from its template of services.
WITH wanted AS (
    SELECT m.hosts_id, t.services_id FROM hostgroups_members m JOIN hostgroups_services t USING (hostgroups_id)
    WHERE m.hostgroups_id = $1
), given AS (
    SELECT s.id, s.hosts_id, s.services_id, s.direct OR EXISTS (
               SELECT 1 FROM services_members_hostgroups x WHERE x.services_members_id = s.id AND x.hostgroups_id <> $1
           ) AS otherwise
    FROM services_members_hostgroups o JOIN services_members s ON s.id = o.services_members_id
    WHERE o.hostgroups_id = $1
), differences AS (
    SELECT w.hosts_id, w.services_id, CASE WHEN s.id IS NULL THEN 'gets' ELSE 'has' END AS what
    FROM wanted w LEFT JOIN services_members s ON s.hosts_id = w.hosts_id AND s.services_id = w.services_id
    WHERE NOT EXISTS (SELECT 1 FROM given g WHERE g.hosts_id = w.hosts_id AND g.services_id = w.services_id)
    UNION ALL
    SELECT g.hosts_id, g.services_id, CASE WHEN g.otherwise THEN 'keeps' ELSE 'loses' END FROM given g
    WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.hosts_id = g.hosts_id AND w.services_id = g.services_id)
)
SELECT h.id, h.name, false AS reordered, count(*) OVER () AS total,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'gets'), '{}') AS gets,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'has'), '{}') AS has,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'loses'), '{}') AS loses,
       coalesce(array_agg(v.name ORDER BY v.name) FILTER (WHERE d.what = 'keeps'), '{}') AS keeps
FROM differences d JOIN hosts h ON h.id = d.hosts_id JOIN services v ON v.id = d.services_id
GROUP BY h.id, h.name ORDER BY h.name LIMIT $2
