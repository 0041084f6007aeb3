INSERT INTO environments (id, name, name_key, colour) VALUES (1, 'production', 'production', 'red');
INSERT INTO hosts (id, name, name_key, address)
    SELECT n, 'host-' || n, 'host-' || n, '127.0.0.1' FROM generate_series(1, HOSTS) n;
INSERT INTO environments_members (environments_id, hosts_id) SELECT 1, id FROM hosts;
INSERT INTO services (id, name, name_key) VALUES (1, 'os', 'os');
INSERT INTO event_handlers (id, name, name_key, plugin, arguments, risk, timeout_seconds) VALUES HANDLERS;
INSERT INTO services_members (hosts_id, services_id, direct) SELECT id, 1, true FROM hosts;
INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, direct)
    SELECT m.id, e.id, e.id, true FROM services_members m, event_handlers e;
INSERT INTO users (id, name, name_key) VALUES (1, 'ada', 'ada');
INSERT INTO grants (users_id, verb) VALUES (1, 'run');

-- Every step of every task, as it was committed.
CREATE TABLE fault_history (
    n bigserial PRIMARY KEY,
    task_id uuid NOT NULL,
    old_state text,
    new_state text NOT NULL,
    old_result text,
    new_result text,
    old_epoch bigint,
    new_epoch bigint
);
CREATE FUNCTION fault_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO fault_history (task_id, new_state, new_result, new_epoch)
            VALUES (NEW.id, NEW.state, NEW.result, NEW.epoch);
    ELSE
        INSERT INTO fault_history (task_id, old_state, new_state, old_result, new_result, old_epoch, new_epoch)
            VALUES (NEW.id, OLD.state, NEW.state, OLD.result, NEW.result, OLD.epoch, NEW.epoch);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER fault_history_new AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION fault_history();
CREATE TRIGGER fault_history_changed AFTER UPDATE ON tasks FOR EACH ROW
    WHEN ((OLD.state, OLD.result, OLD.epoch) IS DISTINCT FROM (NEW.state, NEW.result, NEW.epoch))
    EXECUTE FUNCTION fault_history();
ANALYZE;
