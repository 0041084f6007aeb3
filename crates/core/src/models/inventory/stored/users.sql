SELECT o.id, o.name, jsonb_build_object('name', o.name, 'display_name', o.display_name, 'disabled', o.disabled,
       'administrator', EXISTS (
           SELECT 1 FROM grants g WHERE g.users_id = o.id AND g.verb = 'admin'
           AND num_nonnulls(g.environments_id, g.hostgroups_id, g.event_handlers_id, g.handler_tag) = 0),
       'teams', coalesce((
           SELECT jsonb_agg(t.name ORDER BY t.name) FROM teams_members m JOIN teams t ON t.id = m.teams_id
           WHERE m.users_id = o.id), '[]')) AS definition
FROM users o
