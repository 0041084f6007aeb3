-- Results of many tasks, each guarded by the epoch of its claim. Channel $8 is told where a place under a limit may have
-- become free: another manager may be the one that serves the task that waits for it.
WITH done AS (
    UPDATE tasks t
    SET late = (t.state = 'finished'), state = 'finished', result = u.result, exit_code = u.exit_code,
        result_text = u.result_text, summary = u.summary, perfdata = u.perfdata, finished_at = clock_timestamp(),
        lease_until = NULL,
        repeat_due = u.result = 'lost' AND t.attempt < $9 AND t.cancel_requested_at IS NULL AND EXISTS (
            SELECT 1 FROM event_handlers h WHERE h.id = t.event_handlers_id AND h.repeatable)
    FROM unnest($1, $2, $3, $4, $5, $6, $7) AS u (id, epoch, result, exit_code, result_text, summary, perfdata)
    WHERE t.id = u.id AND t.epoch = u.epoch
      -- That a lost task was lost is no news: it must not be repeated, nor count against its handler, a second time.
      AND (t.state = 'running' OR (t.state = 'finished' AND t.result = 'lost' AND NOT t.late AND u.result <> 'lost'))
    RETURNING t.id
), told AS (
    SELECT count(pg_notify($8, '')) FROM (
        SELECT 1 WHERE EXISTS (SELECT 1 FROM done)
          AND (SELECT true FROM tasks WHERE state = 'queued' AND limited ORDER BY event_handlers_id LIMIT 1)
    ) freed
)
SELECT done.id FROM done, told
