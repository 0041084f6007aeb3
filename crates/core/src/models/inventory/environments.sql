WITH present AS (
    SELECT l.*, e.id AS present_id, array_remove(ARRAY[
        CASE WHEN l.description <> e.description THEN 'description' END,
        CASE WHEN l.colour <> e.colour THEN 'colour' END,
        CASE WHEN l.minimum_risk <> e.minimum_risk THEN 'minimum_risk' END], NULL) AS fields
    FROM load_environments l JOIN environments e ON e.name = l.name
), changed AS (
    UPDATE environments e SET description = coalesce(p.description, e.description), colour = coalesce(p.colour, e.colour),
           minimum_risk = coalesce(p.minimum_risk, e.minimum_risk)
    FROM present p WHERE e.id = p.present_id AND p.fields <> '{}' RETURNING e.name, p.fields
), added AS (
    INSERT INTO environments (name, name_key, description, colour, minimum_risk)
    SELECT name, name_key, coalesce(description, ''), coalesce(colour, 'grey'), coalesce(minimum_risk, 'read-only')
    FROM load_environments l WHERE NOT EXISTS (SELECT 1 FROM environments e WHERE e.name = l.name) RETURNING name
)
SELECT name, false AS added, fields FROM changed UNION ALL SELECT name, true, '{}'::text[] FROM added
