-- What pg_restore puts out works without a search path.
RESET search_path;

CREATE TEMPORARY TABLE told ON COMMIT DROP AS
    SELECT id, output_bytes, output_lines,
           CASE state
               WHEN 'queued' THEN 'Expired: the database was restored from a backup in which this task waited.'
               ELSE 'Lost: the database was restored from a backup in which this task ran.'
           END || E'\n' AS line
    FROM tasks WHERE state <> 'finished';

INSERT INTO logs (task_id, byte_offset, first_line, stream, written_at, bytes)
    SELECT id, output_bytes, output_lines, 'system', clock_timestamp(), convert_to(line, 'UTF8') FROM told
    ON CONFLICT DO NOTHING;

UPDATE tasks t
SET state = 'finished', finished_at = clock_timestamp(), lease_until = NULL, repeat_due = false,
    result = CASE t.state WHEN 'queued' THEN 'expired' ELSE 'lost' END,
    result_text = 'the database was restored from a backup',
    output_bytes = t.output_bytes + octet_length(told.line), output_lines = t.output_lines + 1
FROM told WHERE told.id = t.id;
UPDATE tasks SET repeat_due = false WHERE repeat_due;

UPDATE workers SET alive_until = least(alive_until, now()), stopping = true;
-- What was missed since the backup is not caught up on. A backup of an older version has no schedules.
DO $$ BEGIN
    IF to_regclass('public.schedules') IS NOT NULL THEN
        UPDATE public.schedules SET considered_until = now(), run_requested_at = NULL, run_requested_by = NULL;
    END IF;
END $$;
-- A backup holds no privileges: what the role has given up, it gives up again.
DO $$ BEGIN
    IF (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.audit'::regclass) = current_user THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON public.audit FROM PUBLIC, CURRENT_USER;
    END IF;
END $$;
-- Nobody knows which tokens were revoked since the backup.
DELETE FROM api_tokens;
DELETE FROM sessions;
DELETE FROM signin_links;
DELETE FROM confirmations;

INSERT INTO audit (actor, identity, action, object) VALUES ('tasks', 'system', 'database.restore', current_database());
