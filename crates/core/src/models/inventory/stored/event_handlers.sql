SELECT o.id, o.name, to_jsonb(o) - ARRAY['id', 'name_key', 'revision', 'paused_at', 'paused_by', 'paused_reason', 'resumed_at']
       AS definition
FROM event_handlers o
