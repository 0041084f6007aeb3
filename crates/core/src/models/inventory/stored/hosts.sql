SELECT jsonb_build_object('name', h.name, 'address', h.address, 'description', h.description, 'tags', h.tags,
           'max_running', coalesce(h.max_running, 0),
           'vars', coalesce((SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each_text(h.vars) v), '{}'),
           'aliases', coalesce((
               SELECT jsonb_agg(a.alias ORDER BY a.alias) FROM host_aliases a WHERE a.hosts_id = h.id), '[]'),
           'environments', coalesce((
               SELECT jsonb_object_agg(e.name, g.name) FROM environments_members m
               JOIN environments e ON e.id = m.environments_id LEFT JOIN hostgroups g ON g.id = m.hostgroups_id
               WHERE m.hosts_id = h.id), '{}'),
           'hostgroups', coalesce((
               SELECT jsonb_agg(g.name ORDER BY g.name) FROM hostgroups_members m
               JOIN hostgroups g ON g.id = m.hostgroups_id WHERE m.hosts_id = h.id), '[]'),
           'services', coalesce((
               SELECT jsonb_agg(s.name ORDER BY s.name) FROM services_members m
               JOIN services s ON s.id = m.services_id WHERE m.hosts_id = h.id AND m.direct), '[]')) AS definition
FROM hosts h WHERE h.id = $1
