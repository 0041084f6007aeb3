#!/bin/sh
# Starts a Jenkins job and follows its build to the end. The work is done by a program of ours, plugin_jenkins, whose source is crates/plugins.
# Needs: plugin_jenkins
. "${0%/*}/program.sh"
run_program plugin_jenkins "$@"
