WITH present AS (
    SELECT l.*, g.id AS present_id, array_remove(ARRAY[
        CASE WHEN l.description <> g.description THEN 'description' END], NULL) AS fields
    FROM load_hostgroups l JOIN hostgroups g ON g.name = l.name
), changed AS (
    UPDATE hostgroups g SET description = p.description
    FROM present p WHERE g.id = p.present_id AND p.fields <> '{}' RETURNING g.name, p.fields
), added AS (
    INSERT INTO hostgroups (name, name_key, description) SELECT name, name_key, coalesce(description, '')
    FROM load_hostgroups l WHERE NOT EXISTS (SELECT 1 FROM hostgroups g WHERE g.name = l.name) RETURNING name
)
SELECT name, false AS added, fields FROM changed UNION ALL SELECT name, true, '{}'::text[] FROM added
