-- Grants that could count on a host in the environments $1 and host groups $2, with each enabled user who has them.
WITH near AS MATERIALIZED (
    SELECT * FROM grants
    WHERE (environments_id IS NULL OR environments_id = ANY ($1)) AND (hostgroups_id IS NULL OR hostgroups_id = ANY ($2))
), held AS (
    SELECT g.users_id AS holder, g.* FROM near g WHERE g.users_id IS NOT NULL
    UNION ALL
    SELECT m.users_id AS holder, g.* FROM near g JOIN teams_members m ON m.teams_id = g.teams_id
)
SELECT u.id AS users_id, u.name, h.environments_id, h.hostgroups_id, h.event_handlers_id, h.handler_tag, h.verb
FROM held h JOIN users u ON u.id = h.holder AND NOT u.disabled
ORDER BY u.name
