SELECT to_jsonb(h) - ARRAY['id', 'name_key', 'revision', 'paused_at', 'paused_by', 'paused_reason', 'resumed_at']
       AS definition
FROM event_handlers h WHERE id = $1
