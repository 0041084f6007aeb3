-- Schedules that people make in the browser, and those of settings.ini as the schedulers tell of them.

CREATE TABLE schedules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL CHECK (source IN ('settings', 'gui')),
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    expression text NOT NULL,
    time_zone text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,

    command text[] NOT NULL DEFAULT '{}',
    seen_at timestamptz,

    hosts_id bigint REFERENCES hosts ON DELETE CASCADE,
    hostgroups_id bigint REFERENCES hostgroups ON DELETE CASCADE,
    services_id bigint REFERENCES services ON DELETE CASCADE,
    event_handlers_id bigint REFERENCES event_handlers ON DELETE CASCADE,
    parameters jsonb NOT NULL DEFAULT '{}',
    reason text,
    users_id bigint REFERENCES users ON DELETE CASCADE,
    missed text NOT NULL DEFAULT 'skip' CHECK (missed IN ('skip', 'once', 'all')),
    most_missed integer NOT NULL DEFAULT 10 CHECK (most_missed BETWEEN 1 AND 100),
    jitter_seconds integer NOT NULL DEFAULT 0 CHECK (jitter_seconds BETWEEN 0 AND 3600),
    overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'allow')),

    considered_until timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz,
    run_requested_at timestamptz,
    run_requested_by text,

    UNIQUE (source, name_key),
    CHECK ((run_requested_at IS NULL) = (run_requested_by IS NULL)),
    CHECK (source <> 'gui' OR (num_nonnulls(hosts_id, hostgroups_id) = 1 AND services_id IS NOT NULL
                               AND event_handlers_id IS NOT NULL AND users_id IS NOT NULL))
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE source = 'gui' AND enabled;
CREATE INDEX schedules_requested ON schedules (run_requested_at) WHERE run_requested_at IS NOT NULL;
CREATE INDEX schedules_hosts ON schedules (hosts_id);
CREATE INDEX schedules_hostgroups ON schedules (hostgroups_id);
CREATE INDEX schedules_services ON schedules (services_id);
CREATE INDEX schedules_handlers ON schedules (event_handlers_id);
CREATE INDEX schedules_users ON schedules (users_id);
COMMENT ON COLUMN schedules.command IS 'Of a line in settings.ini: one of our programs and its arguments, for people to read.';
COMMENT ON COLUMN schedules.seen_at IS 'Of a line in settings.ini: when a scheduler last told that it has it.';
COMMENT ON COLUMN schedules.users_id IS 'With whose rights it queues tasks.';
COMMENT ON COLUMN schedules.considered_until IS 'Slots up to here have run or were passed over.';
COMMENT ON COLUMN schedules.next_at IS 'When a scheduler has to look at it again; NULL: never.';

-- A slot of a schedule from the browser is named '#' and its id.
ALTER TABLE schedule_runs
    ADD requested_by text,
    ADD task_ids uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN schedule_runs.requested_by IS 'Who pressed "run now"; NULL: its time had come.';
COMMENT ON COLUMN schedule_runs.task_ids IS 'What it queued.';
