-- The queue: managers, tasks and their output.

CREATE SEQUENCE workers_epoch;

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL UNIQUE DEFAULT nextval('workers_epoch'),
    version text NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    running integer NOT NULL DEFAULT 0,
    stopping boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    alive_until timestamptz NOT NULL
);
CREATE INDEX workers_alive ON workers (alive_until);
COMMENT ON TABLE workers IS 'Every start of a plugins_manager; alive while alive_until is in the future.';
COMMENT ON COLUMN workers.epoch IS 'Fencing token: writes of an older start are refused.';

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'finished')),
    result text CHECK (result IN ('ok', 'warning', 'critical', 'unknown', 'failed', 'timed_out', 'cancelled', 'lost',
                                  'expired', 'rejected')),
    exit_code integer,
    result_text text,
    summary text,
    perfdata text,
    late boolean NOT NULL DEFAULT false,

    event_handlers_id bigint REFERENCES event_handlers ON DELETE SET NULL,
    handler_name text NOT NULL,
    handler_revision integer NOT NULL,
    hosts_id bigint REFERENCES hosts ON DELETE SET NULL,
    host_name text NOT NULL,
    services_id bigint REFERENCES services ON DELETE SET NULL,
    service_name text NOT NULL,
    environments text[] NOT NULL,
    plugin text NOT NULL,
    argv text[] NOT NULL,
    plan_hash bytea NOT NULL DEFAULT '',
    parameters jsonb NOT NULL,
    risk text NOT NULL CHECK (risk IN ('read-only', 'normal', 'dangerous')),
    timeout_seconds integer NOT NULL,
    reason text,

    users_id bigint REFERENCES users ON DELETE SET NULL,
    requester text NOT NULL,
    identity text NOT NULL CHECK (identity IN ('password', 'link', 'token', 'system')),
    token_verb text CHECK (token_verb IN ('see', 'run', 'admin')),
    origin text NOT NULL CHECK (origin IN ('gui', 'api', 'alert', 'schedule')),
    request_key uuid NOT NULL,

    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,

    workers_id uuid REFERENCES workers,
    epoch bigint,
    lease_until timestamptz,
    cancel_requested_at timestamptz,
    cancel_requested_by text,

    percent smallint CHECK (percent BETWEEN 0 AND 100),
    steps jsonb NOT NULL DEFAULT '[]',
    output_bytes bigint NOT NULL DEFAULT 0,
    output_lines bigint NOT NULL DEFAULT 0,

    CHECK ((state = 'finished') = (result IS NOT NULL)),
    CHECK ((state = 'finished') = (finished_at IS NOT NULL)),
    CHECK ((state = 'running') <= (workers_id IS NOT NULL AND epoch IS NOT NULL AND lease_until IS NOT NULL)),
    CHECK (state <> 'queued' OR (workers_id IS NULL AND started_at IS NULL))
);
COMMENT ON COLUMN tasks.argv IS 'The plan as it was decided and confirmed: every argument after the plugin''s name.';
COMMENT ON COLUMN tasks.plan_hash IS 'SHA-256 of everything that was decided on; a task whose plan is another one at its start, or that has no hash, is rejected.';
COMMENT ON COLUMN tasks.request_key IS 'Made by the client for one click: the same key never makes a second task.';
COMMENT ON COLUMN tasks.token_verb IS 'Where an API token asked: the strongest verb that the token allowed.';

CREATE UNIQUE INDEX tasks_request_key ON tasks (requester, request_key);
-- At most one active task for a handler on a target; also the duplicate guard's lookup.
CREATE UNIQUE INDEX tasks_active_target ON tasks (hosts_id, services_id, event_handlers_id)
    WHERE state IN ('queued', 'running');
CREATE INDEX tasks_queued ON tasks (created_at, id) WHERE state = 'queued';
CREATE INDEX tasks_running_lease ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_running_epoch ON tasks (epoch) WHERE state = 'running';
CREATE INDEX tasks_host ON tasks (hosts_id, id DESC);
CREATE INDEX tasks_target ON tasks (hosts_id, services_id, event_handlers_id, id DESC);
CREATE INDEX tasks_handler ON tasks (event_handlers_id, id DESC);
CREATE INDEX tasks_service ON tasks (services_id);
CREATE INDEX tasks_user ON tasks (users_id, id DESC);
CREATE INDEX tasks_worker ON tasks (workers_id);
CREATE INDEX tasks_active ON tasks (id DESC) WHERE state <> 'finished';
CREATE INDEX tasks_troubled ON tasks (id DESC) WHERE result IN ('warning', 'critical', 'unknown', 'failed', 'timed_out', 'lost');

-- An append-only byte stream per task. No foreign key to tasks: retention drops whole partitions.
CREATE TABLE logs (
    task_id uuid NOT NULL,
    byte_offset bigint NOT NULL,
    first_line bigint NOT NULL,
    stream text NOT NULL CHECK (stream IN ('stdout', 'stderr', 'system')),
    written_at timestamptz NOT NULL,
    bytes bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 65536),
    PRIMARY KEY (task_id, byte_offset)
) PARTITION BY RANGE (task_id);
COMMENT ON COLUMN logs.byte_offset IS 'Where the chunk begins in the task''s output of all streams.';
COMMENT ON COLUMN logs.first_line IS 'Number of line ends in the output before this chunk.';
CREATE TABLE logs_default PARTITION OF logs DEFAULT;

-- lz4 is several times quicker than the default; a server built without it keeps the default.
DO $$
BEGIN
    ALTER TABLE logs ALTER COLUMN bytes SET COMPRESSION lz4;
    ALTER TABLE logs_default ALTER COLUMN bytes SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

CREATE TABLE confirmations (
    nonce uuid PRIMARY KEY,
    users_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    plan_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX confirmations_users ON confirmations (users_id);
CREATE INDEX confirmations_expires ON confirmations (expires_at);
COMMENT ON TABLE confirmations IS 'Commands that were shown to a person and wait for their click; using one deletes its row.';

-- However a task is queued, the managers wake. The payload stays empty: the row is the truth.
CREATE FUNCTION notify_task_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('selfservice_task_queued', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_notify_queued AFTER INSERT ON tasks FOR EACH STATEMENT EXECUTE FUNCTION notify_task_queued();
