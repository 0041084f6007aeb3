#!/bin/sh
# "make soak": the container image, built and walked through where that is possible; then many rounds of the fault harness,
# several at once. Usage: soak.sh ROUNDS SEED
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout
. scripts/check_rust.sh

if [ "$(id -u)" -eq 0 ] && command -v buildah >/dev/null && command -v debootstrap >/dev/null; then
    scripts/image.sh
else
    say "Without the image: 'make image' needs root, buildah and debootstrap."
fi
cargo build --locked --workspace --bins
SELFSERVICE_FAULT_LARGE=1 cargo test --locked --workspace --test faults
SELFSERVICE_FAULT_ROUNDS=$1 SELFSERVICE_FAULT_SEED=$2 exec cargo test --locked --workspace --test faults
