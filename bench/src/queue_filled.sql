-- Copies of one task, without the work of triggers; queue.rs says which and how many.
SET session_replication_role = replica;
DO $fill$
DECLARE
    shared text;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', ') INTO shared FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = 'tasks' AND is_generated = 'NEVER'
          AND column_name NOT IN ('id', 'request_key', 'hosts_id', 'state', 'result', 'created_at', 'expires_at', 'started_at', 'finished_at');
    EXECUTE format(
        'INSERT INTO tasks (id, request_key, hosts_id, state, result, created_at, expires_at, started_at, finished_at, %1$s)
         SELECT (''01000000-0000-7000-8000-'' || lpad(to_hex(n), 12, ''0''))::uuid,
                (''01000000-0000-4000-8000-'' || lpad(to_hex(n), 12, ''0''))::uuid,
                1 + n %% 5000, ''finished'', ''ok'', created_at - interval ''1 day'', expires_at, created_at, created_at, %1$s
         FROM tasks, generate_series(1, %2$s::bigint) n WHERE id = %3$L',
        shared, ':finished', :template);
    -- Targets that do not exist: there are not so many hosts.
    EXECUTE format(
        'INSERT INTO tasks (id, request_key, hosts_id, state, result, created_at, expires_at, started_at, finished_at, %1$s)
         SELECT (''02000000-0000-7000-8000-'' || lpad(to_hex(n), 12, ''0''))::uuid,
                (''02000000-0000-4000-8000-'' || lpad(to_hex(n), 12, ''0''))::uuid,
                NULL, ''queued'', NULL, created_at + n * interval ''1 ms'', expires_at, NULL, NULL, %1$s
         FROM tasks, generate_series(1, %2$s::bigint) n WHERE id = %3$L',
        shared, ':queued', :template);
END
$fill$;
