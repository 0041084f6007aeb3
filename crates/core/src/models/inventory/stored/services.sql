SELECT o.id, o.name, jsonb_build_object('name', o.name, 'description', o.description,
           'vars', coalesce((SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each_text(o.vars) v), '{}'),
           'handlers', coalesce((
               SELECT jsonb_agg(h.name ORDER BY t.position, h.name)
               FROM services_event_handlers t JOIN event_handlers h ON h.id = t.event_handlers_id
               WHERE t.services_id = o.id), '[]')) AS definition
FROM services o
