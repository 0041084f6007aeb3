ALTER TABLE tasks DROP COLUMN plugin_hashes;
DROP TABLE plugins;
