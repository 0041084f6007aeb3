#!/bin/sh
# "make lint": everything that finds faults without running the programs.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

say "Formatting ..."
cargo fmt --all --check
say "Shell scripts ..."
# Whatever calls itself a shell script, and the shell libraries that have no first line.
grep -rlIE '^#!/bin/(sh|bash)|^# shellcheck shell=' --exclude-dir=target --exclude-dir=.git --exclude-dir=var \
    --exclude='*.rs' --exclude='*.md' . | xargs shellcheck -x
say "JavaScript types ..."
scripts/tsc.sh
say "Clippy ..."
cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
say "Documentation ..."
RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --quiet
