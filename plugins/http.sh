#!/bin/sh
# Sends one HTTP request and judges the answer. The work is done by a program of ours, plugin_http, whose source is crates/plugins.
# Needs: plugin_http
. "${0%/*}/program.sh"
run_program plugin_http "$@"
