-- A handler is always given as a whole; without a claim it belongs to somebody else. $1 is the author of the revisions
-- that this writes. The limit is no part of a
-- revision: it says when a command runs and not which, and tasks that wait must not be rejected because it is raised.
WITH present AS (
    SELECT l.*, h.id AS present_id, array_remove(ARRAY[
        CASE WHEN l.description <> h.description THEN 'description' END,
        CASE WHEN l.plugin <> h.plugin THEN 'plugin' END,
        CASE WHEN l.arguments <> h.arguments THEN 'arguments' END,
        CASE WHEN l.parameters <> h.parameters THEN 'parameters' END,
        CASE WHEN l.tags <> h.tags THEN 'tags' END,
        CASE WHEN l.secrets <> h.secrets THEN 'secrets' END,
        CASE WHEN l.risk <> h.risk THEN 'risk' END,
        CASE WHEN l.timeout_seconds <> h.timeout_seconds THEN 'timeout_seconds' END,
        CASE WHEN l.reason_required <> h.reason_required THEN 'reason_required' END,
        CASE WHEN l.repeatable <> h.repeatable THEN 'repeatable' END,
        CASE WHEN l.empty_macros <> h.empty_macros THEN 'empty_macros' END,
        CASE WHEN l.enabled <> h.enabled THEN 'enabled' END,
        CASE WHEN l.runbook_url IS DISTINCT FROM h.runbook_url THEN 'runbook_url' END,
        CASE WHEN l.max_running IS DISTINCT FROM h.max_running THEN 'max_running' END], NULL) AS fields
    FROM load_event_handlers l JOIN event_handlers h ON h.name = l.name WHERE l.claims <> '{}'
), changed AS (
    UPDATE event_handlers h SET description = p.description, plugin = p.plugin, arguments = p.arguments,
           parameters = p.parameters, tags = p.tags, secrets = p.secrets, risk = p.risk,
           timeout_seconds = p.timeout_seconds, reason_required = p.reason_required, repeatable = p.repeatable,
           empty_macros = p.empty_macros, enabled = p.enabled, runbook_url = p.runbook_url,
           max_running = p.max_running, revision = h.revision + (p.fields <> '{max_running}')::integer
    FROM present p WHERE h.id = p.present_id AND p.fields <> '{}' RETURNING h AS handler, p.fields
), added AS (
    INSERT INTO event_handlers AS h (name, name_key, description, plugin, arguments, parameters, tags, secrets, risk,
           timeout_seconds, reason_required, repeatable, empty_macros, enabled, runbook_url, max_running)
    SELECT name, name_key, description, plugin, arguments, parameters, tags, secrets, risk,
           timeout_seconds, reason_required, repeatable, empty_macros, enabled, runbook_url, max_running
    FROM load_event_handlers l WHERE NOT EXISTS (SELECT 1 FROM event_handlers e WHERE e.name = l.name)
    RETURNING h AS handler
), written AS (
    SELECT handler, false AS added, fields FROM changed UNION ALL SELECT handler, true, '{}'::text[] FROM added
), revisions AS (
    INSERT INTO event_handler_revisions (event_handlers_id, revision, definition, author)
    SELECT (handler).id, (handler).revision, to_jsonb(handler) - ARRAY['id', 'name_key', 'revision', 'max_running',
           'paused_at', 'paused_by', 'paused_reason', 'resumed_at'], $1
    FROM written WHERE added OR fields <> '{max_running}'
)
SELECT (handler).name AS name, added, fields FROM written
