-- One row with everything that requests are decided from, as JSON, and of one moment: hosts $1, services $2 and
-- handlers $3 stand side by side and are targets; $4 are the users who ask.
SELECT
    (SELECT coalesce(json_agg(h), '[]')::text FROM hosts h WHERE h.id = ANY ($1)) AS hosts,
    (SELECT coalesce(json_agg(json_build_object('hosts_id', m.hosts_id, 'id', e.id, 'name', e.name,
                                                'colour', e.colour, 'minimum_risk', e.minimum_risk)
                              ORDER BY e.name), '[]')::text
     FROM environments_members m JOIN environments e ON e.id = m.environments_id
     WHERE m.hosts_id = ANY ($1)) AS environments,
    (SELECT coalesce(json_agg(json_build_object('hosts_id', m.hosts_id, 'id', g.id, 'name', g.name)
                              ORDER BY g.name), '[]')::text
     FROM hostgroups_members m JOIN hostgroups g ON g.id = m.hostgroups_id
     WHERE m.hosts_id = ANY ($1)) AS hostgroups,
    (SELECT coalesce(json_agg(s), '[]')::text FROM services s WHERE s.id = ANY ($2)) AS services,
    (SELECT coalesce(json_agg(h), '[]')::text FROM event_handlers h WHERE h.id = ANY ($3) AND h.enabled) AS handlers,
    (SELECT coalesce(json_agg(json_build_array(m.hosts_id, m.services_id, a.event_handlers_id)), '[]')::text
     FROM unnest($1, $2, $3) AS asked (hosts_id, services_id, event_handlers_id)
     JOIN services_members m ON m.hosts_id = asked.hosts_id AND m.services_id = asked.services_id AND NOT m.dropped
     JOIN events_handlers_members a ON a.services_members_id = m.id AND a.event_handlers_id = asked.event_handlers_id
                                   AND NOT a.dropped) AS targets,
    (SELECT coalesce(json_agg(json_build_object('users_id', u.id, 'allows', g)), '[]')::text
     FROM users u
     JOIN grants g ON g.users_id = u.id OR g.teams_id IN (SELECT t.teams_id FROM teams_members t WHERE t.users_id = u.id)
     WHERE u.id = ANY ($4) AND NOT u.disabled) AS grants
