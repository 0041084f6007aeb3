SELECT o.id, o.name, jsonb_build_object('name', o.name, 'address', o.address, 'description', o.description, 'tags', o.tags,
           'max_running', coalesce(o.max_running, 0),
           'vars', coalesce((SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each_text(o.vars) v), '{}'),
           'aliases', coalesce((
               SELECT jsonb_agg(a.alias ORDER BY a.alias) FROM host_aliases a WHERE a.hosts_id = o.id), '[]'),
           'environments', coalesce((
               SELECT jsonb_object_agg(e.name, g.name) FROM environments_members m
               JOIN environments e ON e.id = m.environments_id LEFT JOIN hostgroups g ON g.id = m.hostgroups_id
               WHERE m.hosts_id = o.id), '{}'),
           'hostgroups', coalesce((
               SELECT jsonb_agg(g.name ORDER BY g.name) FROM hostgroups_members m
               JOIN hostgroups g ON g.id = m.hostgroups_id WHERE m.hosts_id = o.id), '[]'),
           'services', coalesce((
               SELECT jsonb_agg(s.name ORDER BY s.name) FROM services_members m
               JOIN services s ON s.id = m.services_id WHERE m.hosts_id = o.id AND m.direct), '[]')) AS definition
FROM hosts o
