-- Hosts that $1 names among those that user $3 may see; exact names win over aliases, aliases over addresses. $2 is $1
-- in lower case. What the user may not see must not shadow what they may.
WITH mine AS (
    SELECT DISTINCT g.environments_id, g.hostgroups_id FROM grants g
    JOIN users u ON u.id = $3 AND NOT u.disabled
    WHERE g.users_id = $3 OR g.teams_id IN (SELECT teams_id FROM teams_members WHERE users_id = $3)
), found AS (
    SELECT id, 1 AS step FROM hosts WHERE name = $1 OR name_key = $2
    UNION ALL
    SELECT hosts_id, 2 FROM host_aliases WHERE alias IN ($1, $2)
    UNION ALL
    SELECT id, 3 FROM hosts WHERE address IN ($1, $2)
), seen AS (
    SELECT f.id, f.step FROM found f
    WHERE EXISTS (
        SELECT 1 FROM mine m
        WHERE (m.environments_id IS NULL OR EXISTS (SELECT 1 FROM environments_members em
                   WHERE em.hosts_id = f.id AND em.environments_id = m.environments_id))
          AND (m.hostgroups_id IS NULL OR EXISTS (SELECT 1 FROM hostgroups_members hm
                   WHERE hm.hosts_id = f.id AND hm.hostgroups_id = m.hostgroups_id)))
)
SELECT h.id, h.name, h.address, h.description, h.vars, h.tags, h.max_running
FROM hosts h
WHERE h.id IN (SELECT s.id FROM seen s WHERE s.step = (SELECT min(step) FROM seen))
ORDER BY h.name
LIMIT 50
