-- Manager $1 with epoch $2 takes up to $4 tasks for a lease of $3 seconds.
UPDATE tasks t
SET state = 'running', workers_id = $1, epoch = $2, started_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => $3)
FROM (
    SELECT id FROM tasks
    WHERE state = 'queued' AND expires_at > clock_timestamp()
      AND EXISTS (SELECT 1 FROM workers w
                  WHERE w.id = $1 AND w.epoch = $2 AND w.alive_until > clock_timestamp() AND NOT w.stopping)
    ORDER BY created_at, id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
) next
WHERE t.id = next.id
RETURNING t.*
