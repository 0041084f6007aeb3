#!/bin/sh
# Says how full the file system of a path is, on the machine it runs on.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: disk_usage.sh [--path PATH] [--warning PERCENT] [--critical PERCENT]

  --path PATH         any file or directory on the file system (default /)
  --warning PERCENT   WARNING when this much or more is used (default 80)
  --critical PERCENT  CRITICAL when this much or more is used (default 90)
  --check             the same: it only looks
  --help              this text

Exit: 0 OK, 1 WARNING, 2 CRITICAL, 3 for bad arguments or an unreadable path.
END
}

path=/ warning=80 critical=90
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) shift ;;
        --path) need_value "$@"; path=$2; shift 2 ;;
        --warning) need_value "$@"; warning=$2; shift 2 ;;
        --critical) need_value "$@"; critical=$2; shift 2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
done
need_number --warning "$warning" 0 100
need_number --critical "$critical" 0 100
[ "$warning" -le "$critical" ] || bad_argument "--warning $warning is above --critical $critical"
[ -e "$path" ] || bad_argument "--path '$path' does not exist or is not reachable"

if ! table=$(df -P -k -- "$path" 2>&1); then
    show "$table"
    printf 'UNKNOWN - df failed: %s\n' "$shown"
    exit "$UNKNOWN"
fi
# The device may hold spaces, so the fields are counted from the percent sign.
line=${table##*"$newline"}
before=${line%%%*}
mount=${line#*% }
# shellcheck disable=SC2086 # split into words on purpose; globbing is off
set -- $before
while [ $# -gt 4 ]; do shift; done
[ $# -eq 4 ] || { echo 'UNKNOWN - df printed a table of an unknown form'; exit "$UNKNOWN"; }
total=$1 used=$2 free=$3 percent=$4

code=$OK
[ "$percent" -lt "$warning" ] || code=$WARNING
[ "$percent" -lt "$critical" ] || code=$CRITICAL
result_word "$code"
printf "%s - %s is %s %% full, %s MiB free of %s MiB | 'used'=%sKB;%s;%s;0;%s 'percent'=%s%%;%s;%s\n" \
    "$word" "$mount" "$percent" $((free / 1024)) $((total / 1024)) \
    "$used" $((total * warning / 100)) $((total * critical / 100)) "$total" "$percent" "$warning" "$critical"
exit "$code"
