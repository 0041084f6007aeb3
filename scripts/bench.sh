#!/bin/sh
# "make bench": builds with optimisation, measures, prints a table and writes target/bench.json. Names of groups as
# arguments measure these only; see bench/README.md.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh
scripts/install_packages.sh bench

say "Building with optimisation (the first time takes some minutes) ..."
cargo build --locked --release --workspace --bins
exec target/release/bench --output target/bench.json "$@"
