-- Option 1 of the overview: services of the host itself. A row that loses this and has no other origin goes with the
-- copies; a dropped row stays dropped.
WITH wanted AS (
    SELECT l.id AS hosts_id, s.id AS services_id
    FROM load_hosts l, unnest(l.services) AS n (name) JOIN services s ON s.name = n.name
), gone AS (
    UPDATE services_members x SET direct = false FROM load_hosts l
    WHERE x.hosts_id = l.id AND l.services IS NOT NULL AND x.direct
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.hosts_id = x.hosts_id AND w.services_id = x.services_id)
    RETURNING x.hosts_id
), added AS (
    -- Rows that are there already are not offered: a conflict would lock each of them.
    INSERT INTO services_members AS x (hosts_id, services_id, direct) SELECT hosts_id, services_id, true FROM wanted w
    WHERE NOT EXISTS (SELECT 1 FROM services_members m
                      WHERE m.hosts_id = w.hosts_id AND m.services_id = w.services_id AND m.direct)
    ON CONFLICT (hosts_id, services_id) DO UPDATE SET direct = true WHERE NOT x.direct RETURNING x.hosts_id
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM gone UNION SELECT hosts_id FROM added)
