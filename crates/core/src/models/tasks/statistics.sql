-- Runs (no checks) since $1 that were not cancelled and did start, of the last $4 tasks at most, by handler and stretch of $2 seconds;
-- {visible} decides what the reader sees. Rights depend on host and handler, so they are asked once for all runs of one
-- handler on one host.
WITH looked_at AS MATERIALIZED (
    SELECT hosts_id, event_handlers_id, created_at, state, result, started_at, finished_at, kind
    FROM tasks WHERE id >= $3 ORDER BY id DESC LIMIT $4
), sums AS (
    SELECT hosts_id, event_handlers_id,
           floor(extract(epoch FROM created_at - $1) / $2)::integer AS stretch,
           count(*) FILTER (WHERE result = 'ok') AS ok,
           count(*) FILTER (WHERE result = 'warning') AS warning,
           count(*) FILTER (WHERE result NOT IN ('ok', 'warning')) AS failed,
           sum(extract(epoch FROM finished_at - started_at)) FILTER (WHERE result IN ('ok', 'warning')) AS seconds
    FROM looked_at
    WHERE created_at >= $1 AND state = 'finished' AND kind = 'run' AND result NOT IN ('cancelled', 'expired', 'rejected')
    GROUP BY 1, 2, 3
)
SELECT tasks.event_handlers_id, e.name AS handler_name, tasks.stretch,
       sum(tasks.ok)::bigint AS ok, sum(tasks.warning)::bigint AS warning, sum(tasks.failed)::bigint AS failed,
       coalesce(sum(tasks.seconds), 0)::double precision AS seconds,
       (SELECT CASE WHEN count(*) = $4 THEN min(created_at) END FROM looked_at) AS counted_from
FROM sums tasks
LEFT JOIN event_handlers e ON e.id = tasks.event_handlers_id
WHERE {visible}
GROUP BY 1, 2, 3
