-- Rights that somebody took by hand: a load does not give them back. A trigger keeps a right from standing both here and
-- in grants, whoever gives it, a program that knows nothing of this table included.
CREATE TABLE grants_taken (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    users_id bigint REFERENCES users ON DELETE CASCADE,
    teams_id bigint REFERENCES teams ON DELETE CASCADE,
    environments_id bigint REFERENCES environments ON DELETE CASCADE,
    hostgroups_id bigint REFERENCES hostgroups ON DELETE CASCADE,
    event_handlers_id bigint REFERENCES event_handlers ON DELETE CASCADE,
    handler_tag text,
    verb text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT
        (users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, handler_tag, verb)
);
CREATE INDEX grants_taken_users ON grants_taken (users_id);
CREATE INDEX grants_taken_teams ON grants_taken (teams_id);
CREATE INDEX grants_taken_environments ON grants_taken (environments_id);
CREATE INDEX grants_taken_hostgroups ON grants_taken (hostgroups_id);
CREATE INDEX grants_taken_event_handlers ON grants_taken (event_handlers_id);
COMMENT ON TABLE grants_taken IS 'As grants; what a person took and nobody gave again.';

CREATE FUNCTION grants_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM grants_taken t
    WHERE (t.users_id, t.teams_id, t.environments_id, t.hostgroups_id, t.event_handlers_id, t.handler_tag, t.verb)
        IS NOT DISTINCT FROM (NEW.users_id, NEW.teams_id, NEW.environments_id, NEW.hostgroups_id,
                              NEW.event_handlers_id, NEW.handler_tag, NEW.verb);
    RETURN NULL;
END $$;
CREATE TRIGGER grants_given AFTER INSERT ON grants FOR EACH ROW EXECUTE FUNCTION grants_given();

-- The audit log keeps every row for ever, so what one person can make it say of refusals is bounded.
CREATE TABLE audit_refusals (
    actor text PRIMARY KEY,
    users_id bigint,
    since timestamptz NOT NULL DEFAULT now(),
    refusals bigint NOT NULL DEFAULT 1
);
COMMENT ON TABLE audit_refusals IS 'Who was refused within the last hour, and how often.';
