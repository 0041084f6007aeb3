UPDATE load_grants l
SET users_id = (SELECT id FROM users WHERE name = l."user"), teams_id = (SELECT id FROM teams WHERE name = l.team),
    environments_id = (SELECT id FROM environments WHERE name = l.environment),
    hostgroups_id = (SELECT id FROM hostgroups WHERE name = l.hostgroup),
    event_handlers_id = (SELECT id FROM event_handlers WHERE name = l.handler)
