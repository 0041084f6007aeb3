-- The life of a task: limits, pauses, tags, draining, retries.

ALTER TABLE hosts
    ADD tags text[] NOT NULL DEFAULT '{}',
    ADD max_running integer CHECK (max_running > 0);
COMMENT ON COLUMN hosts.tags IS 'A manager serves the host when it has all of them.';
COMMENT ON COLUMN hosts.max_running IS 'So many tasks run on it at once, of all handlers together; NULL: no limit.';

ALTER TABLE event_handlers
    ADD max_running integer CHECK (max_running > 0),
    ADD paused_at timestamptz,
    ADD paused_by text,
    ADD paused_reason text,
    ADD resumed_at timestamptz,
    ADD CHECK (num_nulls(paused_at, paused_by, paused_reason) IN (0, 3));
COMMENT ON COLUMN event_handlers.max_running IS 'So many of its tasks run at once, on all hosts together; NULL: no limit.';
COMMENT ON COLUMN event_handlers.paused_at IS 'While set, new requests are refused and queued tasks wait.';
COMMENT ON COLUMN event_handlers.resumed_at IS 'When the last pause ended: losses before that do not count any more.';

ALTER TABLE workers
    ADD tags text[] NOT NULL DEFAULT '{}',
    ADD draining boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN workers.tags IS 'It serves the hosts whose tags are all among these.';
COMMENT ON COLUMN workers.draining IS 'A person asked it to take no new tasks; it stays, and may be told to go on.';

-- No foreign key on retry_of: history may go before its retries do.
ALTER TABLE tasks
    ADD host_tags text[] NOT NULL DEFAULT '{}',
    ADD limited boolean NOT NULL DEFAULT false,
    ADD retry_of uuid,
    ADD attempt smallint NOT NULL DEFAULT 1 CHECK (attempt > 0),
    ADD repeat_due boolean NOT NULL DEFAULT false,
    ADD CHECK (attempt = 1 OR retry_of IS NOT NULL);
COMMENT ON COLUMN tasks.host_tags IS 'While queued: tags of the host, kept right by triggers.';
COMMENT ON COLUMN tasks.limited IS 'While queued: handler or host has a limit, or the handler is paused; kept right by triggers.';
COMMENT ON COLUMN tasks.retry_of IS 'The finished task that this one does again.';
COMMENT ON COLUMN tasks.attempt IS 'Grows from task to task of a repeatable handler that is started again without a person.';
COMMENT ON COLUMN tasks.repeat_due IS 'Lost, and to be started again by a manager.';

-- Each kind of waiting task stands in an index of its own, so that a claim never walks over tasks that it cannot take.
CREATE INDEX tasks_claimable ON tasks (host_tags, created_at, id) WHERE state = 'queued' AND NOT limited;
CREATE INDEX tasks_limited ON tasks (event_handlers_id, created_at, id) WHERE state = 'queued' AND limited;
CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE state = 'queued';
DROP INDEX tasks_queued;
CREATE INDEX tasks_retry_of ON tasks (retry_of, id DESC) WHERE retry_of IS NOT NULL;
-- Whichever manager starts a lost task again: it happens once.
CREATE UNIQUE INDEX tasks_repeated ON tasks (retry_of) WHERE attempt > 1;
CREATE INDEX tasks_repeat_due ON tasks (finished_at) WHERE repeat_due;
CREATE INDEX tasks_lost ON tasks (event_handlers_id, finished_at) WHERE result = 'lost';

-- A task whose handler or host is gone is not limited: it is rejected at its start.
CREATE FUNCTION note_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.limited := coalesce((SELECT h.max_running IS NOT NULL OR h.paused_at IS NOT NULL OR o.max_running IS NOT NULL
                             FROM event_handlers h, hosts o
                             WHERE h.id = NEW.event_handlers_id AND o.id = NEW.hosts_id), false);
    NEW.host_tags := coalesce((SELECT tags FROM hosts WHERE id = NEW.hosts_id), '{}');
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_note_limits BEFORE INSERT OR UPDATE OF event_handlers_id, hosts_id ON tasks
    FOR EACH ROW WHEN (NEW.state = 'queued') EXECUTE FUNCTION note_limits();

-- Waiting tasks are locked in the order of their ids, so that two of these at once wait for each other and do not
-- deadlock.
CREATE FUNCTION notice_handler_limit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM tasks WHERE state = 'queued' AND event_handlers_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
    UPDATE tasks SET limited = true
    WHERE state = 'queued' AND event_handlers_id = NEW.id AND NOT limited
      AND (NEW.max_running IS NOT NULL OR NEW.paused_at IS NOT NULL);
    UPDATE tasks t SET limited = false FROM hosts o
    WHERE t.state = 'queued' AND t.event_handlers_id = NEW.id AND t.limited
      AND NEW.max_running IS NULL AND NEW.paused_at IS NULL AND o.id = t.hosts_id AND o.max_running IS NULL;
    PERFORM pg_notify('selfservice_task_queued', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER event_handlers_notice_limit AFTER UPDATE ON event_handlers FOR EACH ROW
    WHEN ((OLD.max_running, OLD.paused_at) IS DISTINCT FROM (NEW.max_running, NEW.paused_at))
    EXECUTE FUNCTION notice_handler_limit();

-- Setting the id, though to what it is, fires the trigger of the tasks.
CREATE FUNCTION notice_host_limit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM tasks WHERE state = 'queued' AND hosts_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
    UPDATE tasks SET hosts_id = hosts_id WHERE state = 'queued' AND hosts_id = NEW.id;
    PERFORM pg_notify('selfservice_task_queued', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER hosts_notice_limit AFTER UPDATE ON hosts FOR EACH ROW
    WHEN ((OLD.max_running, OLD.tags) IS DISTINCT FROM (NEW.max_running, NEW.tags))
    EXECUTE FUNCTION notice_host_limit();

-- Takes limited tasks that fit now, oldest first; called by the claim (crates/core/src/queue/claim.sql).
--
-- One at a time: between counting what runs and starting more nobody else may start any. A function, because each of
-- its statements sees what was committed before it, and because no client can freeze while it holds the lock: a wait is
-- as long as such a claim, and one that takes longer than 100 ms is given up until the next look.
CREATE FUNCTION claim_limited(worker uuid, worker_epoch bigint, worker_tags text[], lease double precision, room bigint)
    RETURNS SETOF tasks LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    full_hosts bigint[];
    taken bigint;
BEGIN
    IF room <= 0 THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(7305803399053);
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    LOOP
        full_hosts := ARRAY(
            SELECT b.hosts_id FROM (SELECT hosts_id, count(*) AS running FROM tasks WHERE state = 'running' GROUP BY 1) b
            WHERE b.running >= (SELECT o.max_running FROM hosts o WHERE o.id = b.hosts_id));
        RETURN QUERY
        WITH RECURSIVE waiting AS (
            -- The handlers that have such tasks, found by skipping along the index.
            (SELECT event_handlers_id AS id FROM tasks WHERE state = 'queued' AND limited
             ORDER BY event_handlers_id LIMIT 1)
            UNION ALL
            SELECT (SELECT t.event_handlers_id FROM tasks t
                    WHERE t.state = 'queued' AND t.limited AND t.event_handlers_id > w.id
                    ORDER BY t.event_handlers_id LIMIT 1)
            FROM waiting w WHERE w.id IS NOT NULL
        ), busy AS MATERIALIZED (
            SELECT event_handlers_id, hosts_id FROM tasks WHERE state = 'running'
        ), open AS MATERIALIZED (
            SELECT h.id, h.max_running - b.running AS places
            FROM waiting w JOIN event_handlers h ON h.id = w.id,
                LATERAL (SELECT count(*) AS running FROM busy WHERE event_handlers_id = h.id) b
            WHERE h.paused_at IS NULL AND (h.max_running IS NULL OR h.max_running > b.running)
        ), fitting AS MATERIALIZED (
            SELECT q.* FROM open, LATERAL (
                SELECT t.id, t.created_at, t.hosts_id FROM tasks t
                WHERE t.state = 'queued' AND t.limited AND t.event_handlers_id = open.id
                  AND t.expires_at > clock_timestamp() AND t.host_tags <@ worker_tags
                  AND t.hosts_id NOT IN (SELECT unnest(full_hosts))
                ORDER BY t.created_at, t.id LIMIT least(room, open.places)
            ) q
        ), ranked AS (
            SELECT id, created_at, hosts_id, row_number() OVER (PARTITION BY hosts_id ORDER BY created_at, id) AS place
            FROM fitting
        ), next AS MATERIALIZED (
            SELECT t.id FROM tasks t
            WHERE t.state = 'queued' AND t.id = ANY (ARRAY(
                SELECT r.id FROM ranked r JOIN hosts o ON o.id = r.hosts_id
                WHERE o.max_running IS NULL
                   OR r.place <= o.max_running - (SELECT count(*) FROM busy b WHERE b.hosts_id = o.id)
                ORDER BY r.created_at, r.id LIMIT room))
            FOR UPDATE SKIP LOCKED
        )
        UPDATE tasks t
        SET state = 'running', workers_id = worker, epoch = worker_epoch, started_at = clock_timestamp(),
            lease_until = clock_timestamp() + make_interval(secs => lease)
        WHERE t.id = ANY (ARRAY(SELECT id FROM next))
        RETURNING t.*;
        -- A host may have been full with the first of a handler's oldest tasks: those of other hosts come now.
        GET DIAGNOSTICS taken = ROW_COUNT;
        room := room - taken;
        EXIT WHEN taken = 0 OR room <= 0;
    END LOOP;
END
$$;
