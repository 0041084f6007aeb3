WITH present AS (
    SELECT l.*, s.id AS present_id, array_remove(ARRAY[
        CASE WHEN l.description <> s.description THEN 'description' END,
        CASE WHEN l.vars <> s.vars THEN 'vars' END], NULL) AS fields
    FROM load_services l JOIN services s ON s.name = l.name
), changed AS (
    UPDATE services s SET description = coalesce(p.description, s.description), vars = coalesce(p.vars, s.vars)
    FROM present p WHERE s.id = p.present_id AND p.fields <> '{}' RETURNING s.name, p.fields
), added AS (
    INSERT INTO services (name, name_key, description, vars)
    SELECT name, name_key, coalesce(description, ''), coalesce(vars, '{}')
    FROM load_services l WHERE NOT EXISTS (SELECT 1 FROM services s WHERE s.name = l.name) RETURNING name
)
SELECT name, false AS added, fields FROM changed UNION ALL SELECT name, true, '{}'::text[] FROM added
