-- A host that looks like one of a real day, beside the plain ones of the fixture.
INSERT INTO hosts (name, name_key, address, description) VALUES ('db-prod-03', 'db-prod-03', '10.20.4.13', 'Replica of the orders database');
INSERT INTO hostgroups (name, name_key, description) VALUES ('databases', 'databases', 'PostgreSQL servers');
INSERT INTO services (name, name_key, description) VALUES ('PostgreSQL', 'postgresql', 'The database server'), ('Backup', 'backup', 'Nightly base backup');
INSERT INTO environments_members (environments_id, hosts_id) SELECT e.id, h.id FROM environments e, hosts h WHERE e.name = 'production' AND h.name = 'db-prod-03';
INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE g.name = 'databases' AND h.name = 'db-prod-03';
INSERT INTO event_handlers (name, name_key, description, plugin, arguments, parameters, risk, timeout_seconds, runbook_url) VALUES
    ('Show replication lag', 'show replication lag', 'Asks the replica how far it is behind.', 'lag', '{--host,$HOSTADDRESS$}', '[]', 'read-only', 20, NULL),
    ('Restart replica', 'restart replica', 'Drains the clients, restarts the server, waits until it follows.', 'restart_replica', '{--host,$HOSTADDRESS$,--drain,$_PARAMDRAIN$}',
     '[{"name": "drain", "label": "Drain seconds", "type": "integer", "minimum": 0, "maximum": 120, "default": "30", "required": true}]', 'normal', 120, 'https://wiki.example.net/replica'),
    ('End long queries', 'end long queries', 'Ends queries that run for more than an hour.', 'end_queries', '{--host,$HOSTADDRESS$,--older-than,1h}', '[]', 'normal', 30, NULL),
    ('Promote to primary', 'promote to primary', 'Makes this replica the primary. The old primary must be down.', 'promote', '{--host,$HOSTADDRESS$}', '[]', 'dangerous', 60, NULL);
INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s WHERE h.name = 'db-prod-03' AND s.name IN ('PostgreSQL', 'Backup', 'os');
INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, direct)
    SELECT m.id, e.id, e.id, true FROM services_members m JOIN hosts h ON h.id = m.hosts_id JOIN services s ON s.id = m.services_id, event_handlers e
    WHERE h.name = 'db-prod-03' AND s.name = 'PostgreSQL' AND e.plugin IN ('lag', 'restart_replica', 'end_queries', 'promote');
