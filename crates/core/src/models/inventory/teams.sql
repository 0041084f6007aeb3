INSERT INTO teams (name, name_key) SELECT name, name_key FROM load_teams
ON CONFLICT (name) DO NOTHING RETURNING name, true AS added, '{}'::text[] AS fields
