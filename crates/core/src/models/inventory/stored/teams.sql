SELECT jsonb_build_object('name', t.name, 'members', coalesce((
           SELECT jsonb_agg(u.name ORDER BY u.name) FROM teams_members m JOIN users u ON u.id = m.users_id
           WHERE m.teams_id = t.id), '[]')) AS definition
FROM teams t WHERE t.id = $1
