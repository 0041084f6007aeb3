UPDATE load_grants l SET id = g.id FROM grants g
WHERE g.users_id IS NOT DISTINCT FROM l.users_id AND g.teams_id IS NOT DISTINCT FROM l.teams_id
  AND g.environments_id IS NOT DISTINCT FROM l.environments_id AND g.hostgroups_id IS NOT DISTINCT FROM l.hostgroups_id
  AND g.event_handlers_id IS NOT DISTINCT FROM l.event_handlers_id AND g.handler_tag IS NOT DISTINCT FROM l.tag
  AND g.verb = l.verb AND (l.environment IS NULL) = (l.environments_id IS NULL)
  AND (l.hostgroup IS NULL) = (l.hostgroups_id IS NULL) AND (l.handler IS NULL) = (l.event_handlers_id IS NULL)
