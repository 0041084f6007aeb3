#!/bin/sh
# "make schema": writes crates/core/src/db/schema.rs from the migrations, with diesel's own tool, which is built into
# target/tools the first time. A throw-away PostgreSQL is started for it and ends with this script.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

DIESEL=target/tools/bin/diesel
[ -x "$DIESEL" ] ||
    cargo install --locked --root target/tools --version 2.3.14 --no-default-features --features postgres diesel_cli
cargo build --locked --quiet --bin selfservice_run

output=$(mktemp)
target/debug/selfservice_run database >"$output" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -f "$output"' EXIT
while [ ! -s "$output" ]; do
    kill -0 "$server" 2>/dev/null || fail "The throw-away PostgreSQL did not start."
    sleep 0.1
done
DATABASE_URL=$(cat "$output") "$DIESEL" migration run
cargo fmt --all
git diff --stat -- crates/core/src/db/schema.rs
