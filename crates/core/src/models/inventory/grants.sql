WITH wanted AS (
    SELECT u.id AS users_id, t.id AS teams_id, e.id AS environments_id, g.id AS hostgroups_id, h.id AS event_handlers_id,
           l.tag, l.verb
    FROM load_grants l
    LEFT JOIN users u ON u.name = l."user" LEFT JOIN teams t ON t.name = l.team
    LEFT JOIN environments e ON e.name = l.environment LEFT JOIN hostgroups g ON g.name = l.hostgroup
    LEFT JOIN event_handlers h ON h.name = l.handler
    WHERE num_nonnulls(u.id, t.id) = 1
      -- NULL means any: a name that is not found must not become that.
      AND (l.environment IS NULL) = (e.id IS NULL) AND (l.hostgroup IS NULL) = (g.id IS NULL)
      AND (l.handler IS NULL) = (h.id IS NULL)
)
INSERT INTO grants (users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, handler_tag, verb)
SELECT DISTINCT users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, tag, verb FROM wanted
ON CONFLICT DO NOTHING RETURNING id
