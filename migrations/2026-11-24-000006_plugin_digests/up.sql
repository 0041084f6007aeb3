-- The plugin that was approved is the plugin that runs.

CREATE TABLE plugins (
    workers_id uuid NOT NULL REFERENCES workers ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    sha256 bytea CHECK (octet_length(sha256) = 32),
    problem text,
    PRIMARY KEY (workers_id, name),
    CHECK ((sha256 IS NULL) = (problem IS NOT NULL))
);
CREATE INDEX plugins_name ON plugins (name);
COMMENT ON TABLE plugins IS 'Which plugins a manager has, as its launcher sees them.';

ALTER TABLE tasks ADD COLUMN plugin_hashes bytea[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN tasks.plugin_hashes IS
    'SHA-256 of its plugin, as living managers had it when the task was asked for; only one of these may run. Empty: nothing was known.';
