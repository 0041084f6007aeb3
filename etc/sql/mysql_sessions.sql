-- Statements that have been running for longer than :minutes minutes.
SELECT id, user, host, db, time AS seconds, left(info, 60) AS statement
FROM information_schema.processlist
WHERE command NOT IN ('Sleep', 'Daemon', 'Binlog Dump') AND time > :minutes * 60
ORDER BY time DESC
