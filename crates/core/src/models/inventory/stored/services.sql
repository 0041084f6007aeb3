SELECT jsonb_build_object('name', s.name, 'description', s.description,
           'vars', coalesce((SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each_text(s.vars) v), '{}'),
           'handlers', coalesce((
               SELECT jsonb_agg(h.name ORDER BY t.position, h.name)
               FROM services_event_handlers t JOIN event_handlers h ON h.id = t.event_handlers_id
               WHERE t.services_id = s.id), '[]')) AS definition
FROM services s WHERE s.id = $1
