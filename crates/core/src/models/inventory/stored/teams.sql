SELECT o.id, o.name, jsonb_build_object('name', o.name, 'members', coalesce((
           SELECT jsonb_agg(u.name ORDER BY u.name) FROM teams_members m JOIN users u ON u.id = m.users_id
           WHERE m.teams_id = o.id), '[]')) AS definition
FROM teams o
