-- Which sources brought an object, and whose its fields are. Beside the objects and not in them, so that programs which
-- know nothing of it read and write the objects as before. An object without a row here was made by hand.

CREATE TABLE environments_sources (
    environments_id bigint PRIMARY KEY REFERENCES environments ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE hostgroups_sources (
    hostgroups_id bigint PRIMARY KEY REFERENCES hostgroups ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE hosts_sources (
    hosts_id bigint PRIMARY KEY REFERENCES hosts ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE services_sources (
    services_id bigint PRIMARY KEY REFERENCES services ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE event_handlers_sources (
    event_handlers_id bigint PRIMARY KEY REFERENCES event_handlers ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE teams_sources (
    teams_id bigint PRIMARY KEY REFERENCES teams ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
CREATE TABLE grants_sources (
    grants_id bigint PRIMARY KEY REFERENCES grants ON DELETE CASCADE,
    sources text[] NOT NULL,
    set_by jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(set_by) = 'object')
);
COMMENT ON TABLE hosts_sources IS 'Which sources brought a host; the other tables of this form likewise.';
COMMENT ON COLUMN hosts_sources.sources IS 'Names of sources; hand: a person, or nobody knows.';
COMMENT ON COLUMN hosts_sources.set_by IS 'Field to the source that it belongs to; a field that is not here belongs to nobody.';
