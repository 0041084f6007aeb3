GRANT UPDATE, DELETE, TRUNCATE ON audit TO CURRENT_USER;
DROP INDEX audit_object;
DROP INDEX audit_action;
DROP INDEX audit_actor;
DROP INDEX audit_at;
ALTER TABLE audit ALTER object TYPE text COLLATE pg_catalog."default";
