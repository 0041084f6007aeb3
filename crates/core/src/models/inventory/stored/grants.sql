SELECT o.id, jsonb_build_object('user', u.name, 'team', t.name, 'environment', e.name, 'hostgroup', g.name,
           'handler', h.name, 'tag', o.handler_tag, 'verb', o.verb) AS definition
FROM grants o
LEFT JOIN users u ON u.id = o.users_id LEFT JOIN teams t ON t.id = o.teams_id
LEFT JOIN environments e ON e.id = o.environments_id LEFT JOIN hostgroups g ON g.id = o.hostgroups_id
LEFT JOIN event_handlers h ON h.id = o.event_handlers_id
ORDER BY t.name NULLS LAST, u.name, e.name NULLS FIRST, g.name NULLS FIRST, h.name NULLS FIRST,
    o.handler_tag COLLATE "C" NULLS FIRST, o.verb COLLATE "C"
