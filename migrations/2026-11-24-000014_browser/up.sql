-- Schedules can be changed, and run one of our own programs that settings.ini names.

ALTER TABLE schedules
    ADD revision integer NOT NULL DEFAULT 1,
    ADD program text,
    DROP CONSTRAINT schedules_check1,
    ADD CONSTRAINT schedules_check1 CHECK (source <> 'gui' OR users_id IS NOT NULL AND CASE WHEN program IS NULL
        THEN num_nonnulls(hosts_id, hostgroups_id) = 1 AND services_id IS NOT NULL AND event_handlers_id IS NOT NULL
        ELSE num_nonnulls(hosts_id, hostgroups_id, services_id, event_handlers_id) = 0 END);
COMMENT ON COLUMN schedules.revision IS 'Grows with every change by a person, who brings the one that they saw.';
COMMENT ON COLUMN schedules.program IS 'Its name under [programs] of settings.ini, which alone says what is started.';

-- A plugin may also be asked what it is, and to look without changing anything.

ALTER TABLE tasks ADD kind text NOT NULL DEFAULT 'run' CHECK (kind IN ('run', 'check', 'help'));
COMMENT ON COLUMN tasks.kind IS 'What the plugin is asked for: to act, to look (--check), or to say what it is (--help).';
CREATE INDEX tasks_help ON tasks (event_handlers_id, id DESC) WHERE kind = 'help';

-- Secrets that a person types for one run. The value is sealed for managers that lived when it was typed, and kept until
-- the task ends.

ALTER TABLE workers ADD sealing_key bytea CHECK (octet_length(sealing_key) = 32);
COMMENT ON COLUMN workers.sealing_key IS 'X25519 key with which typed secrets are sealed for this start of the manager; the other half is in its memory only.';

ALTER TABLE tasks ADD secret_parameters text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN tasks.secret_parameters IS 'Names of the parameters for which a person typed a secret.';

-- No foreign keys: a row goes with the end of its task (below), and history is removed quicker without.
CREATE TABLE typed_secrets (
    tasks_id uuid NOT NULL,
    workers_id uuid NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (tasks_id, workers_id)
);
COMMENT ON TABLE typed_secrets IS 'Typed secrets of tasks that have not ended, sealed once for each manager that may read them.';

CREATE FUNCTION forget_typed_secrets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM typed_secrets WHERE tasks_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_forget_typed_secrets AFTER UPDATE OF state ON tasks
    FOR EACH ROW WHEN (NEW.state = 'finished' AND NEW.secret_parameters <> '{}')
    EXECUTE FUNCTION forget_typed_secrets();
