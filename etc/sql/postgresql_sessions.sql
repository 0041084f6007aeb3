-- Sessions that have been in one transaction for longer than :minutes minutes.
SELECT pid, usename AS "user", state, now() - xact_start AS open_for, left(query, 60) AS query
FROM pg_stat_activity
WHERE xact_start < now() - make_interval(mins => :minutes::int)
ORDER BY xact_start
