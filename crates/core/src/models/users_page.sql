-- Users by name after $2, whose name or shown name contains $1; at most $3.
SELECT u.id, u.name, u.display_name, u.disabled, u.password_hash IS NOT NULL AS has_password,
       EXISTS (SELECT 1 FROM grants g WHERE g.verb = 'admin'
               AND num_nonnulls(g.environments_id, g.hostgroups_id, g.event_handlers_id, g.handler_tag) = 0
               AND (g.users_id = u.id OR g.teams_id IN (SELECT m.teams_id FROM teams_members m WHERE m.users_id = u.id)))
           AS administrator,
       ARRAY(SELECT t.name FROM teams_members m JOIN teams t ON t.id = m.teams_id WHERE m.users_id = u.id ORDER BY t.name)
           AS teams,
       (SELECT max(s.last_seen_at) FROM sessions s WHERE s.users_id = u.id) AS last_seen_at
FROM users u
WHERE (u.name_key LIKE $1 OR lower(u.display_name) LIKE $1) AND u.name > $2
ORDER BY u.name LIMIT $3
