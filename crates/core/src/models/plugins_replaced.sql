-- Manager $1 has the plugins $2 with the digests $3 and the problems $4, and no others.
WITH gone AS (
    DELETE FROM plugins p
    USING workers w
    WHERE w.id = p.workers_id
      AND (w.alive_until < clock_timestamp() - interval '1 day' OR (w.id = $1 AND p.name <> ALL ($2)))
)
INSERT INTO plugins (workers_id, name, sha256, problem)
SELECT $1, n.name, n.sha256, n.problem
FROM unnest($2, $3, $4) AS n (name, sha256, problem)
ON CONFLICT (workers_id, name) DO UPDATE SET sha256 = excluded.sha256, problem = excluded.problem
