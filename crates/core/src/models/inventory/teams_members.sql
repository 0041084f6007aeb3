WITH wanted AS (
    SELECT l.id AS teams_id, u.id AS users_id
    FROM load_teams l, unnest(l.members) AS n (name) JOIN users u ON u.name = n.name
), gone AS (
    DELETE FROM teams_members x USING load_teams l
    WHERE x.teams_id = l.id AND l.members IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.teams_id = x.teams_id AND w.users_id = x.users_id)
    RETURNING x.teams_id
), added AS (
    INSERT INTO teams_members (teams_id, users_id) SELECT teams_id, users_id FROM wanted
    ON CONFLICT DO NOTHING RETURNING teams_id
)
SELECT t.name FROM teams t WHERE t.id IN (SELECT teams_id FROM gone UNION SELECT teams_id FROM added)
