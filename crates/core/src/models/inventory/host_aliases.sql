WITH gone AS (
    DELETE FROM host_aliases x USING load_hosts l
    WHERE x.hosts_id = l.id AND x.alias <> ALL (l.aliases) RETURNING x.hosts_id
), added AS (
    INSERT INTO host_aliases (hosts_id, alias) SELECT l.id, a.alias FROM load_hosts l, unnest(l.aliases) AS a (alias)
    ON CONFLICT DO NOTHING RETURNING hosts_id
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM gone UNION SELECT hosts_id FROM added)
