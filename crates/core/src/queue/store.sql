-- What has come of many runs, in one statement: $1 to $6 chunks of output, $7 to $12 how far the runs are, $13 to $19
-- results, of which $20 attempts may be lost.
--
-- Epochs are compared in words that no index serves: the one on epochs holds a dead entry for every task of this manager
-- that has ended since the last vacuum.
WITH printed AS (
    INSERT INTO logs (task_id, byte_offset, first_line, stream, written_at, bytes)
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
),
runs (id, epoch, percent, steps, bytes, lines) AS (
    SELECT * FROM unnest($7, $8, $9, $10, $11, $12)
),
ends (id, epoch, result, exit_code, result_text, summary, perfdata) AS (
    SELECT * FROM unnest($13, $14, $15, $16, $17, $18, $19)
),
going_on AS (
    UPDATE tasks t
    SET percent = r.percent, steps = r.steps, output_bytes = r.bytes, output_lines = r.lines
    FROM runs r
    WHERE t.id = r.id AND t.epoch IS NOT DISTINCT FROM r.epoch AND NOT EXISTS (SELECT 1 FROM ends e WHERE e.id = r.id)
),
done AS (
    UPDATE tasks t
    SET late = (t.state = 'finished'), state = 'finished', result = e.result, exit_code = e.exit_code,
        result_text = e.result_text, summary = e.summary, perfdata = e.perfdata, finished_at = clock_timestamp(),
        lease_until = NULL, percent = coalesce(r.percent, t.percent), steps = coalesce(r.steps, t.steps),
        output_bytes = coalesce(r.bytes, t.output_bytes), output_lines = coalesce(r.lines, t.output_lines),
        repeat_due = e.result = 'lost' AND t.attempt < $20 AND t.cancel_requested_at IS NULL AND EXISTS (
            SELECT 1 FROM event_handlers h WHERE h.id = t.event_handlers_id AND h.repeatable)
    FROM ends e LEFT JOIN runs r ON r.id = e.id
    WHERE t.id = e.id AND t.epoch IS NOT DISTINCT FROM e.epoch
      -- That a lost task was lost is no news: it must not be repeated, nor count against its handler, a second time.
      AND (t.state = 'running' OR (t.state = 'finished' AND t.result = 'lost' AND NOT t.late AND e.result <> 'lost'))
    RETURNING t.id
),
-- A payload holds at most 8,000 bytes; an id takes 37.
told AS (
    SELECT pg_notify('selfservice_task_changed', string_agg(id::text, ','))
    FROM unnest($7) WITH ORDINALITY AS changed (id, number)
    GROUP BY (number - 1) / 200
    UNION ALL
    -- A place under a limit may be free: another manager may be the one that serves the task that waits for it.
    SELECT pg_notify('selfservice_task_queued', '')
    WHERE EXISTS (SELECT 1 FROM done)
      AND (SELECT true FROM tasks WHERE state = 'queued' AND limited ORDER BY event_handlers_id LIMIT 1)
)
-- Counted so that the server sends them.
SELECT done.id FROM (SELECT count(*) FROM told) AS sent LEFT JOIN done ON true
