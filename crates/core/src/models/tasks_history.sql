-- The last five results and the median duration for every handler that is effective on host $1.
SELECT m.services_id, e.event_handlers_id,
       coalesce(array_agg(t.result ORDER BY t.id DESC) FILTER (WHERE t.id IS NOT NULL), '{}') AS results,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.finished_at - t.started_at)::double precision)
           FILTER (WHERE t.result IN ('ok', 'warning')) AS typical_seconds
FROM services_members m
JOIN events_handlers_members e ON e.services_members_id = m.id
LEFT JOIN LATERAL (
    SELECT id, result, started_at, finished_at FROM tasks
    WHERE hosts_id = m.hosts_id AND services_id = m.services_id AND event_handlers_id = e.event_handlers_id
      AND state = 'finished' AND started_at IS NOT NULL AND kind = 'run'
    ORDER BY id DESC LIMIT 5
) t ON true
WHERE m.hosts_id = $1 AND NOT m.dropped AND NOT e.dropped
GROUP BY m.services_id, e.event_handlers_id
