SELECT jsonb_build_object('name', g.name, 'description', g.description, 'services', coalesce((
           SELECT jsonb_agg(s.name ORDER BY s.name) FROM hostgroups_services t JOIN services s ON s.id = t.services_id
           WHERE t.hostgroups_id = g.id), '[]')) AS definition
FROM hostgroups g WHERE g.id = $1
