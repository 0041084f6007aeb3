WITH wanted AS (
    SELECT l.id AS hosts_id, g.id AS hostgroups_id
    FROM load_hosts l, unnest(l.hostgroups) AS n (name) JOIN hostgroups g ON g.name = n.name
), gone AS (
    DELETE FROM hostgroups_members x USING load_hosts l
    WHERE x.hosts_id = l.id AND l.hostgroups IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.hosts_id = x.hosts_id AND w.hostgroups_id = x.hostgroups_id)
    RETURNING x.hosts_id
), added AS (
    INSERT INTO hostgroups_members (hosts_id, hostgroups_id) SELECT hosts_id, hostgroups_id FROM wanted
    ON CONFLICT DO NOTHING RETURNING hosts_id
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM gone UNION SELECT hosts_id FROM added)
