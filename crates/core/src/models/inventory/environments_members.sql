WITH wanted AS (
    SELECT l.id AS hosts_id, e.id AS environments_id, g.id AS hostgroups_id
    FROM load_hosts l CROSS JOIN LATERAL jsonb_each_text(l.environments) AS n (environment, hostgroup)
    JOIN environments e ON e.name = n.environment LEFT JOIN hostgroups g ON g.name = n.hostgroup
), gone AS (
    DELETE FROM environments_members x USING load_hosts l
    WHERE x.hosts_id = l.id AND l.environments IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.hosts_id = x.hosts_id AND w.environments_id = x.environments_id)
    RETURNING x.hosts_id
), added AS (
    INSERT INTO environments_members AS x (environments_id, hosts_id, hostgroups_id)
    SELECT environments_id, hosts_id, hostgroups_id FROM wanted w
    WHERE NOT EXISTS (SELECT 1 FROM environments_members m
                      WHERE m.environments_id = w.environments_id AND m.hosts_id = w.hosts_id
                        AND m.hostgroups_id IS NOT DISTINCT FROM w.hostgroups_id)
    ON CONFLICT (environments_id, hosts_id) DO UPDATE SET hostgroups_id = excluded.hostgroups_id
    WHERE x.hostgroups_id IS DISTINCT FROM excluded.hostgroups_id RETURNING x.hosts_id
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM gone UNION SELECT hosts_id FROM added)
