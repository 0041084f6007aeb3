-- What host groups bring and a host does without, after the copies. What nothing brings cannot be dropped.
WITH wanted AS (
    SELECT l.id AS hosts_id, s.id AS services_id
    FROM load_hosts l, unnest(l.dropped_services) AS n (name) JOIN services s ON s.name = n.name
), changed AS (
    UPDATE services_members x
    SET dropped = NOT x.dropped, direct = x.direct AND x.dropped
    FROM load_hosts l
    WHERE x.hosts_id = l.id AND l.dropped_services IS NOT NULL AND x.dropped <> EXISTS (
        SELECT 1 FROM wanted w WHERE w.hosts_id = x.hosts_id AND w.services_id = x.services_id)
    RETURNING x.hosts_id
)
SELECT name FROM hosts WHERE id IN (SELECT hosts_id FROM changed)
