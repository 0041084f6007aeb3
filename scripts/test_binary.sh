#!/bin/sh
# Runs one test binary for cargo_test.sh, where cargo would, and prints what it said when it has ended.
# Usage: test_binary.sh DIRECTORY BINARY, both absolute; SAID is the directory for what it says.
set -eu
name=$(basename "$1")-$(basename "$2")
log=$SAID/$name.log
cd "$1"
status=0
"$2" >"$log" 2>&1 || status=$?
[ "$status" -eq 0 ] || printf 'FAILED %s, with status %d\n' "$name" "$status" >>"$log"
exec 9>"$SAID/printing"
flock 9
printf '\n%s' "$name"
cat "$log"
exit "$status"
