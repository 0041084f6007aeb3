-- Hosts that user $1 may see: at least one grant matches the host, whatever its verb and handler.
WITH mine AS (
    SELECT DISTINCT g.environments_id, g.hostgroups_id FROM grants g
    JOIN users u ON u.id = $1 AND NOT u.disabled
    WHERE g.users_id = $1 OR g.teams_id IN (SELECT teams_id FROM teams_members WHERE users_id = $1)
)
SELECT h.id, h.name, h.address, h.description, h.vars, h.tags, h.max_running
FROM hosts h
WHERE h.name > $3
  AND ($2 = '%%' OR h.name_key LIKE $2 OR h.address LIKE $2
       OR EXISTS (SELECT 1 FROM host_aliases a WHERE a.hosts_id = h.id AND lower(a.alias) LIKE $2))
  AND EXISTS (
      SELECT 1 FROM mine m
      WHERE (m.environments_id IS NULL OR EXISTS (SELECT 1 FROM environments_members em
                 WHERE em.hosts_id = h.id AND em.environments_id = m.environments_id))
        AND (m.hostgroups_id IS NULL OR EXISTS (SELECT 1 FROM hostgroups_members hm
                 WHERE hm.hosts_id = h.id AND hm.hostgroups_id = m.hostgroups_id)))
ORDER BY h.name
LIMIT $4
