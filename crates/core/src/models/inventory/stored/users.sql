SELECT jsonb_build_object('name', u.name, 'display_name', u.display_name, 'disabled', u.disabled,
       'administrator', EXISTS (
           SELECT 1 FROM grants g WHERE g.users_id = u.id AND g.verb = 'admin'
           AND num_nonnulls(g.environments_id, g.hostgroups_id, g.event_handlers_id, g.handler_tag) = 0),
       'teams', coalesce((
           SELECT jsonb_agg(t.name ORDER BY t.name) FROM teams_members m JOIN teams t ON t.id = m.teams_id
           WHERE m.users_id = u.id), '[]')) AS definition
FROM users u WHERE u.id = $1
