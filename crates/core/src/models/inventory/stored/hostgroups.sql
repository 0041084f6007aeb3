SELECT o.id, o.name, jsonb_build_object('name', o.name, 'description', o.description, 'services', coalesce((
           SELECT jsonb_agg(s.name ORDER BY s.name) FROM hostgroups_services t JOIN services s ON s.id = t.services_id
           WHERE t.hostgroups_id = o.id), '[]')) AS definition
FROM hostgroups o
