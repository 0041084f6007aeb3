#!/bin/sh
# Runs one SQL statement on PostgreSQL, MariaDB, MySQL, Oracle or Couchbase. The work is done by a program of ours, plugin_sql, whose source is crates/plugins.
# Needs: plugin_sql
. "${0%/*}/program.sh"
run_program plugin_sql "$@"
