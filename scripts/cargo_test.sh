#!/bin/sh
# All tests of the workspace, real services included. The programs are built first, because tests start them.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

cargo build --locked --workspace --bins
exec cargo test --locked --workspace
