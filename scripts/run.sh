#!/bin/sh
# "make run": installs what is missing, builds, and hands over to selfservice_run.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh
scripts/install_packages.sh run

say "Building (the first time takes some minutes) ..."
cargo build --locked --workspace --bins
# What root builds in somebody's checkout must stay theirs to build upon.
if [ "$(id -u)" -eq 0 ] && [ "$(stat -c %u .)" -ne 0 ]; then
    chown -R --reference=. target
fi
exec target/debug/selfservice_run --checkout .
