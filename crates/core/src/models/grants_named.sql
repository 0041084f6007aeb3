SELECT a.id, a.users_id, u.name AS "user", a.teams_id, t.name AS team, a.environments_id, e.name AS environment,
       a.hostgroups_id, g.name AS hostgroup, a.event_handlers_id, h.name AS handler, a.handler_tag AS tag, a.verb
FROM grants a
LEFT JOIN users u ON u.id = a.users_id LEFT JOIN teams t ON t.id = a.teams_id
LEFT JOIN environments e ON e.id = a.environments_id LEFT JOIN hostgroups g ON g.id = a.hostgroups_id
LEFT JOIN event_handlers h ON h.id = a.event_handlers_id
