INSERT INTO grants (users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, handler_tag, verb)
SELECT DISTINCT users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, tag, verb FROM load_grants l
WHERE num_nonnulls(users_id, teams_id) = 1
  -- NULL means any: a name that is not found must not become that.
  AND (l.environment IS NULL) = (environments_id IS NULL) AND (l.hostgroup IS NULL) = (hostgroups_id IS NULL)
  AND (l.handler IS NULL) = (event_handlers_id IS NULL)
ON CONFLICT DO NOTHING RETURNING id
