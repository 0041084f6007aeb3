CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    users_id bigint,
    actor text NOT NULL,
    identity text NOT NULL,
    address text NOT NULL DEFAULT '',
    action text NOT NULL,
    object text NOT NULL DEFAULT '',
    task_id uuid,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_task ON audit (task_id) WHERE task_id IS NOT NULL;
COMMENT ON TABLE audit IS 'Who did what, written in the transaction that did it. Append only; no foreign keys, so that it outlives what it names.';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TABLE schedule_runs (
    name text COLLATE "C" NOT NULL,
    slot timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    exit_code integer,
    outcome text,
    PRIMARY KEY (name, slot)
);
COMMENT ON TABLE schedule_runs IS 'One row per cron slot: the primary key makes exactly one scheduler run it.';
