-- Ids are given by hand: world.rs names them.
INSERT INTO environments (id, name, name_key, colour) VALUES (1, 'production', 'production', 'red');
INSERT INTO hosts (id, name, name_key, address)
    SELECT n, 'host-' || n, 'host-' || n, '127.0.0.1' FROM generate_series(1, 5000) n;
INSERT INTO environments_members (environments_id, hosts_id) SELECT 1, id FROM hosts;
INSERT INTO services (id, name, name_key) VALUES (1, 'os', 'os');
INSERT INTO event_handlers (id, name, name_key, plugin, arguments, risk, timeout_seconds) VALUES
    (1, 'true', 'true', 'true', '{}', 'read-only', 600),
    (2, 'stamp', 'stamp', 'bench_witness', '{}', 'read-only', 600),
    (3, 'lines', 'lines', 'bench_witness', '{lines,10,800}', 'read-only', 600),
    (4, 'sleep', 'sleep', 'bench_witness', '{sleep,600}', 'read-only', 600),
    (5, 'flood', 'flood', 'bench_witness', '{print,10000000}', 'read-only', 600),
    (6, 'print', 'print', 'bench_witness', '{print,200000}', 'read-only', 600),
    (7, 'remote', 'remote', 'ssh.sh', '{}', 'read-only', 600);
INSERT INTO services_members (hosts_id, services_id, direct) SELECT id, 1, true FROM hosts;
INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, direct)
    SELECT m.id, e.id, e.id, true FROM services_members m, event_handlers e;
INSERT INTO users (id, name, name_key) VALUES (1, 'bench', 'bench');
INSERT INTO grants (users_id, verb) VALUES (1, 'run');
ANALYZE;
