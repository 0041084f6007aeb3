DROP TRIGGER tasks_forget_typed_secrets ON tasks;
DROP FUNCTION forget_typed_secrets;
DROP TABLE typed_secrets;
ALTER TABLE tasks DROP secret_parameters;
ALTER TABLE workers DROP sealing_key;
DROP INDEX tasks_help;
ALTER TABLE tasks DROP kind;
