#!/bin/sh
# "make soak": many rounds of the fault harness, several at once. Usage: soak.sh ROUNDS SEED
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

cargo build --locked --workspace --bins
SELFSERVICE_FAULT_LARGE=1 cargo test --locked --workspace --test faults
SELFSERVICE_FAULT_ROUNDS=$1 SELFSERVICE_FAULT_SEED=$2 exec cargo test --locked --workspace --test faults
