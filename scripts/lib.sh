# Helpers that the scripts of this directory share; sourced, never run.
# shellcheck shell=sh

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Goes to the root of the checkout.
enter_checkout() {
    cd "$(dirname "$0")/.." || exit 1
}
