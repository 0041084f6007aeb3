# shellcheck shell=sh
# For plugins whose work is done by a program: sourced, never run.

# run_program NAME "$@": becomes the program, which gets the plugin's own path first. Installed programs lie in sbin
# beside the plugins' directory; in a checkout the one that was built last is taken.
run_program() {
    plugin_home=${0%/*}/..
    program=$plugin_home/sbin/$1
    if [ ! -x "$program" ]; then
        program=$plugin_home/target/debug/$1
        release=$plugin_home/target/release/$1
        # shellcheck disable=SC3013 # dash and busybox know -nt too
        if [ -x "$release" ] && { [ ! -x "$program" ] || [ "$release" -nt "$program" ]; }; then
            program=$release
        fi
    fi
    if [ ! -x "$program" ]; then
        printf 'UNKNOWN - %s needs the program %s, which is neither installed nor built (make build)\n' "${0##*/}" "$1"
        exit 3
    fi
    shift
    exec "$program" "$0" "$@"
}
