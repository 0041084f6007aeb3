#!/bin/sh
# All tests of the workspace, real services included. The programs are built first, because tests start them. The last
# line counts the tests of all binaries together. Most tests wait for other processes most of the time, so there are two
# for each processor; RUST_TEST_THREADS=N says otherwise.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
export RUST_TEST_THREADS

cargo build --locked --workspace --bins

# A pipe has the status of its last command, so cargo's own is kept in a file.
status=target/test-status
printf '1\n' >"$status"
{
    cargo test --locked --workspace && printf '0\n' >"$status"
} | awk '
    { print; fflush() }
    /^test result: / { passed += $4; failed += $6 }
    END { printf "%d passed, %d failed\n", passed, failed }
'
exit "$(cat "$status")"
