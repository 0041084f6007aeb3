-- Results of many tasks, each guarded by the epoch of its claim.
UPDATE tasks t
SET late = (t.state = 'finished'), state = 'finished', result = u.result, exit_code = u.exit_code,
    result_text = u.result_text, summary = u.summary, perfdata = u.perfdata, finished_at = clock_timestamp(),
    lease_until = NULL
FROM unnest($1, $2, $3, $4, $5, $6, $7) AS u (id, epoch, result, exit_code, result_text, summary, perfdata)
WHERE t.id = u.id AND t.epoch = u.epoch
  AND (t.state = 'running' OR (t.state = 'finished' AND t.result = 'lost' AND NOT t.late))
RETURNING t.id
