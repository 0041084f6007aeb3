-- When each source was loaded last, whether it changed anything or not: an inventory that nobody brings any more is old,
-- and looks as if nothing had happened.

CREATE TABLE loads (
    source text COLLATE "C" PRIMARY KEY,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    program text NOT NULL,
    object text NOT NULL
);
COMMENT ON TABLE loads IS 'The last load of each source that was not refused.';
COMMENT ON COLUMN loads.object IS 'What was loaded, in words: files, addresses.';
