-- Hosts that $1 names; exact names win over aliases, aliases over addresses. $2 is $1 in lower case.
WITH found AS (
    SELECT id, 1 AS step FROM hosts WHERE name = $1 OR name_key = $2
    UNION ALL
    SELECT hosts_id, 2 FROM host_aliases WHERE alias IN ($1, $2)
    UNION ALL
    SELECT id, 3 FROM hosts WHERE address IN ($1, $2)
)
SELECT h.id, h.name, h.address, h.description, h.vars
FROM hosts h
WHERE h.id IN (SELECT f.id FROM found f WHERE f.step = (SELECT min(step) FROM found))
ORDER BY h.name
LIMIT 50
