WITH wanted AS (
    SELECT l.id AS hostgroups_id, s.id AS services_id
    FROM load_hostgroups l, unnest(l.services) AS n (name) JOIN services s ON s.name = n.name
), gone AS (
    DELETE FROM hostgroups_services x USING load_hostgroups l
    WHERE x.hostgroups_id = l.id AND l.services IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.hostgroups_id = x.hostgroups_id AND w.services_id = x.services_id)
    RETURNING x.hostgroups_id
), added AS (
    INSERT INTO hostgroups_services (hostgroups_id, services_id) SELECT hostgroups_id, services_id FROM wanted
    ON CONFLICT DO NOTHING RETURNING hostgroups_id
)
SELECT g.name FROM hostgroups g WHERE g.id IN (SELECT hostgroups_id FROM gone UNION SELECT hostgroups_id FROM added)
