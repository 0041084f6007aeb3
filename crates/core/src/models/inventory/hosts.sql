-- max_running of 0 takes the limit away.
WITH present AS (
    SELECT l.*, h.id AS present_id, array_remove(ARRAY[
        CASE WHEN l.address <> h.address THEN 'address' END,
        CASE WHEN l.description <> h.description THEN 'description' END,
        CASE WHEN l.vars <> h.vars THEN 'vars' END,
        CASE WHEN l.tags <> h.tags THEN 'tags' END,
        CASE WHEN l.max_running <> coalesce(h.max_running, 0) THEN 'max_running' END], NULL) AS fields
    FROM load_hosts l JOIN hosts h ON h.name = l.name
), changed AS (
    UPDATE hosts h SET address = coalesce(p.address, h.address), description = coalesce(p.description, h.description),
           vars = coalesce(p.vars, h.vars), tags = coalesce(p.tags, h.tags),
           max_running = nullif(coalesce(p.max_running, h.max_running), 0)
    FROM present p WHERE h.id = p.present_id AND p.fields <> '{}' RETURNING h.name, p.fields
), added AS (
    INSERT INTO hosts (name, name_key, address, description, vars, tags, max_running)
    SELECT name, name_key, coalesce(address, name), coalesce(description, ''), coalesce(vars, '{}'),
           coalesce(tags, '{}'), nullif(max_running, 0)
    FROM load_hosts l WHERE NOT EXISTS (SELECT 1 FROM hosts h WHERE h.name = l.name) RETURNING name
)
SELECT name, false AS added, fields FROM changed UNION ALL SELECT name, true, '{}'::text[] FROM added
