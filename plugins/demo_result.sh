#!/bin/sh
# Ends with the result it is told to end with, for trying out how results look.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: demo_result.sh --result ok|warning|critical|unknown [--message TEXT]

Prints one line and ends with that result. It looks at nothing and changes
nothing: it is there to see how each result is shown.

  --result WORD   the result to end with
  --message TEXT  the line to print (default: says that this is a demonstration)
  --check         the same: there is nothing to check
  --help          this text

Exit: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also for bad arguments).
END
}

result='' message='this is a demonstration, nothing was looked at'
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) shift ;;
        --result) need_value "$@"; result=$2; shift 2 ;;
        --message) need_value "$@"; message=$2; shift 2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
done
[ -n "$result" ] || bad_argument '--result is missing'
result_code "$result" || bad_argument "--result must be ok, warning, critical or unknown, not '$result'"

result_word "$code"
printf '%s - %s\n' "$word" "$message"
exit "$code"
