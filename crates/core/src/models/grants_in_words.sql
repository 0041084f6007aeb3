-- Grants of a table in words; $1 restricts them to these ids.
SELECT a.id, a.verb || ' for ' || coalesce('user ' || u.name, 'team ' || t.name)
       || coalesce(' in ' || e.name, '') || coalesce(' on ' || g.name, '')
       || coalesce(' with ' || h.name, ' with tag ' || a.handler_tag, '') AS text
FROM {table} a
LEFT JOIN users u ON u.id = a.users_id LEFT JOIN teams t ON t.id = a.teams_id
LEFT JOIN environments e ON e.id = a.environments_id LEFT JOIN hostgroups g ON g.id = a.hostgroups_id
LEFT JOIN event_handlers h ON h.id = a.event_handlers_id
WHERE $1 IS NULL OR a.id = ANY ($1)
ORDER BY a.id LIMIT 10000
