-- Option 1 of the overview: services of the host itself. A row that loses this and has no other origin goes with the
-- copies; a dropped row stays dropped.
WITH wanted AS (
    SELECT l.id AS hosts_id, s.id AS services_id
    FROM load_hosts l, unnest(l.services) AS n (name) JOIN services s ON s.name = n.name
), present AS (
    SELECT x.id, x.hosts_id, x.services_id, x.direct FROM services_members x JOIN load_hosts l ON l.id = x.hosts_id
    WHERE l.services IS NOT NULL
), different AS MATERIALIZED (
    SELECT p.id, coalesce(w.hosts_id, p.hosts_id) AS hosts_id, w.services_id
    FROM wanted w FULL JOIN present p ON p.hosts_id = w.hosts_id AND p.services_id = w.services_id
    WHERE p.id IS NULL OR p.direct <> (w.hosts_id IS NOT NULL)
), changed AS (
    UPDATE services_members x SET direct = NOT x.direct FROM different d WHERE x.id = d.id
), added AS (
    -- Loads and editors exclude each other, so a million rows need not be prepared for a conflict.
    INSERT INTO services_members (hosts_id, services_id, direct)
    SELECT hosts_id, services_id, true FROM different WHERE id IS NULL
)
SELECT h.name FROM hosts h WHERE h.id IN (SELECT hosts_id FROM different)
