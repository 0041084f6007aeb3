-- What a load wants, for the statements of one transaction. A NULL column: the source says nothing about it. claims: the
-- fields of which it says something, each with the source's name.
CREATE TEMP TABLE load_environments (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", description text, colour text, minimum_risk text,
    claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_hostgroups (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", description text, services text[],
    claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_services (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", description text, vars jsonb, handlers text[],
    claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_hosts (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", address text COLLATE "C", description text, vars jsonb,
    aliases text[], environments jsonb, hostgroups text[], services text[], tags text[], max_running integer,
    handlers jsonb, dropped_services text[], dropped_handlers jsonb, claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_event_handlers (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", description text, plugin text, arguments text[],
    parameters jsonb, tags text[], secrets text[], risk text, timeout_seconds integer, reason_required boolean,
    repeatable boolean, empty_macros boolean, enabled boolean, runbook_url text, max_running integer, claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_teams (
    id bigint, name text COLLATE "C", name_key text COLLATE "C", members text[], claims jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE load_grants (
    "user" text, team text, environment text, hostgroup text, handler text, tag text, verb text, id bigint,
    taken_id bigint, users_id bigint, teams_id bigint, environments_id bigint, hostgroups_id bigint, event_handlers_id bigint
) ON COMMIT DROP;
-- Fields that stay what they are, because they belong to somebody who counts more.
CREATE TEMP TABLE load_kept (noun text, name text COLLATE "C", field text, owner text, differs boolean) ON COMMIT DROP;
-- Whose copies of templates are looked at again.
CREATE TEMP TABLE load_touched_hosts (hosts_id bigint) ON COMMIT DROP;
CREATE TEMP TABLE load_touched_members (services_members_id bigint, services_id bigint) ON COMMIT DROP;
