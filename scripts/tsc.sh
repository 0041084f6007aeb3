#!/bin/sh
# Checks the types of the browser's JavaScript. Nothing is compiled: the files are served as they are.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
command -v tsc >/dev/null || fail "tsc is missing; install the package node-typescript"
exec tsc --project crates/web_gui/static/jsconfig.json
