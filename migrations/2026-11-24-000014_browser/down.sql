DELETE FROM schedules WHERE program IS NOT NULL;
ALTER TABLE schedules
    DROP CONSTRAINT schedules_check1,
    DROP program,
    DROP revision,
    ADD CONSTRAINT schedules_check1 CHECK (source <> 'gui' OR (num_nonnulls(hosts_id, hostgroups_id) = 1
        AND services_id IS NOT NULL AND event_handlers_id IS NOT NULL AND users_id IS NOT NULL));
DROP TRIGGER tasks_forget_typed_secrets ON tasks;
DROP FUNCTION forget_typed_secrets;
DROP TABLE typed_secrets;
ALTER TABLE tasks DROP secret_parameters;
ALTER TABLE workers DROP sealing_key;
DROP INDEX tasks_help;
ALTER TABLE tasks DROP kind;
