#!/bin/sh
# "make test": installs what is missing, then everything that CI runs.
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh
scripts/install_packages.sh test
scripts/lint.sh
exec scripts/cargo_test.sh
