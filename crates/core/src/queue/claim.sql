-- Manager $1 with epoch $2 takes, for a lease of $3 seconds, up to $4 tasks, oldest first, and tells channel $5; tasks
-- without limits from time $6 on. One statement, committed by itself: one round trip.
WITH RECURSIVE me AS MATERIALIZED (
    SELECT tags FROM workers
    WHERE id = $1 AND epoch = $2 AND alive_until > clock_timestamp() AND NOT stopping AND NOT draining
), kinds AS (
    -- The sets of tags that wait, found by skipping along the index.
    SELECT '{}'::text[] AS host_tags
    UNION ALL
    SELECT (SELECT t.host_tags FROM tasks t
            WHERE t.state = 'queued' AND NOT t.limited AND t.host_tags > k.host_tags
            ORDER BY t.host_tags LIMIT 1)
    FROM kinds k WHERE k.host_tags IS NOT NULL
), next AS MATERIALIZED (
    SELECT q.* FROM me JOIN kinds k ON k.host_tags <@ me.tags, LATERAL (
        SELECT t.id, t.created_at, t.event_handlers_id, t.hosts_id FROM tasks t
        WHERE t.state = 'queued' AND NOT t.limited AND t.host_tags = k.host_tags AND t.expires_at > clock_timestamp()
          AND t.created_at >= coalesce($6, '-infinity')
        ORDER BY t.created_at, t.id LIMIT $4 FOR UPDATE SKIP LOCKED
    ) q
    ORDER BY q.created_at, q.id LIMIT $4
), judged AS MATERIALIZED (
    -- Handler and host have the last word: a limit may have been set while the task was being queued.
    SELECT n.id,
        coalesce((SELECT tags FROM hosts WHERE id = n.hosts_id) <@ me.tags, true)
        AND NOT coalesce((SELECT h.max_running IS NOT NULL OR h.paused_at IS NOT NULL OR o.max_running IS NOT NULL
                          FROM event_handlers h, hosts o
                          WHERE h.id = n.event_handlers_id AND o.id = n.hosts_id), false) AS fits
    FROM me, next n
), mended AS (
    -- Naming the column fires the trigger that notes limits and tags.
    UPDATE tasks SET hosts_id = hosts_id WHERE id = ANY (ARRAY(SELECT id FROM judged WHERE NOT fits))
), free AS (
    UPDATE tasks t
    SET state = 'running', workers_id = $1, epoch = $2, started_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $3)
    WHERE t.id = ANY (ARRAY(SELECT id FROM judged WHERE fits))
    RETURNING t.*
), claimed AS MATERIALIZED (
    SELECT * FROM free
    UNION ALL
    SELECT l.* FROM me, LATERAL claim_limited($1, $2, me.tags, $3, $4 - (SELECT count(*) FROM free)) l
    -- In the order of the index: a plain EXISTS may read the table until it finds one.
    WHERE (SELECT true FROM tasks WHERE state = 'queued' AND limited ORDER BY event_handlers_id LIMIT 1)
), told AS (
    -- A payload holds at most 8,000 bytes; an id takes 37.
    SELECT count(pg_notify($5, p.ids)) FROM (
        SELECT string_agg(n.id::text, ',') AS ids
        FROM (SELECT id, (row_number() OVER () - 1) / 200 AS part FROM claimed) n GROUP BY n.part
    ) p
)
SELECT c.id, c.state, c.result, c.exit_code, c.result_text, c.summary, c.perfdata, c.late, c.event_handlers_id,
    c.handler_name, c.handler_revision, c.hosts_id, c.host_name, c.services_id, c.service_name, c.environments,
    c.plugin, c.argv, c.plan_hash, c.parameters, c.risk, c.timeout_seconds, c.reason, c.users_id, c.requester,
    c.identity, c.token_verb, c.origin, c.created_at, c.expires_at, c.started_at, c.finished_at, c.workers_id,
    c.epoch, c.cancel_requested_at, c.cancel_requested_by, c.percent, c.steps, c.output_bytes, c.output_lines,
    c.retry_of, c.attempt, c.plugin_hashes, c.repeat_due,
    c.kind, c.secret_parameters
FROM claimed c, told
