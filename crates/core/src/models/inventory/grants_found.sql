-- Which row of a table with the columns of grants a line speaks of.
UPDATE load_grants l SET {column} = g.id FROM {table} g
WHERE g.verb = l.verb
  AND (g.users_id, g.teams_id, g.environments_id, g.hostgroups_id, g.event_handlers_id, g.handler_tag)
      IS NOT DISTINCT FROM (l.users_id, l.teams_id, l.environments_id, l.hostgroups_id, l.event_handlers_id, l.tag)
  AND (l.environment IS NULL) = (l.environments_id IS NULL) AND (l.hostgroup IS NULL) = (l.hostgroups_id IS NULL)
  AND (l.handler IS NULL) = (l.event_handlers_id IS NULL)
