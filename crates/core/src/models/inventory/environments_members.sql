WITH wanted AS (
    SELECT l.id AS hosts_id, e.id AS environments_id, g.id AS hostgroups_id
    FROM load_hosts l CROSS JOIN LATERAL jsonb_each_text(l.environments) AS n (environment, hostgroup)
    JOIN environments e ON e.name = n.environment LEFT JOIN hostgroups g ON g.name = n.hostgroup
), present AS (
    SELECT x.* FROM environments_members x JOIN load_hosts l ON l.id = x.hosts_id WHERE l.environments IS NOT NULL
), different AS MATERIALIZED (
    SELECT p.id, coalesce(w.hosts_id, p.hosts_id) AS hosts_id, w.environments_id, w.hostgroups_id
    FROM wanted w FULL JOIN present p ON p.hosts_id = w.hosts_id AND p.environments_id = w.environments_id
    WHERE p.id IS NULL OR w.hosts_id IS NULL OR p.hostgroups_id IS DISTINCT FROM w.hostgroups_id
), gone AS (
    DELETE FROM environments_members x USING different d WHERE x.id = d.id AND d.environments_id IS NULL
), changed AS (
    UPDATE environments_members x SET hostgroups_id = d.hostgroups_id
    FROM different d WHERE x.id = d.id AND d.environments_id IS NOT NULL
), added AS (
    INSERT INTO environments_members (environments_id, hosts_id, hostgroups_id)
    SELECT environments_id, hosts_id, hostgroups_id FROM different WHERE id IS NULL
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM different)
