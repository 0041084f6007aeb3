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

# private_directory DIRECTORY: makes it, and fails where somebody else could have a hand in it: by a link, as the owner of it
# or of a directory around it, or because it may be written by others.
private_directory() {
    case $1 in /*) ;; *) fail "$1 must be an absolute path" ;; esac
    [ ! -L "$1" ] || fail "$1 is a link, which somebody else could have made"
    mkdir -p "$1"
    at=$1
    while :; do
        owner=$(stat -c %u "$at")
        [ "$owner" -eq 0 ] || [ "$owner" -eq "$(id -u)" ] || fail "$at belongs to somebody else, who could change what is below"
        # In a sticky directory nobody moves away what is another's.
        if [ "$at" = "$1" ] || [ ! -k "$at" ]; then
            case $(stat -c %A "$at") in ?????w*) fail "$at may be written by its group" ;; esac
            case $(stat -c %A "$at") in ????????w*) fail "$at may be written by everybody" ;; esac
        fi
        [ "$at" != / ] || break
        at=$(dirname "$at")
    done
}
