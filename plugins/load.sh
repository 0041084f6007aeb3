#!/bin/sh
# Says how busy the machine it runs on is: the load average divided by the number of processors.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: load.sh [--warning LOAD] [--critical LOAD]

Compares the load average of the last minute, divided by the number of
processors, with two thresholds such as 1, 1.5 or 0.75.

  --warning LOAD   WARNING at this load per processor or more (default 1.5)
  --critical LOAD  CRITICAL at this load per processor or more (default 3)
  --check          the same: it only looks
  --help           this text

Exit: 0 OK, 1 WARNING, 2 CRITICAL, 3 for bad arguments.
END
}

# hundredths VALUE: leaves 1.5 as 150 in $scaled; false where it is no number with up to two decimals.
hundredths() {
    case $1 in
        *.*) scaled_whole=${1%%.*} scaled_rest=${1#*.} ;;
        *) scaled_whole=$1 scaled_rest=0 ;;
    esac
    case $scaled_whole in '' | *[!0-9]* | ??????*) return 1 ;; esac
    case $scaled_rest in
        [0-9]) scaled_rest=${scaled_rest}0 ;;
        [0-9][0-9]) ;;
        *) return 1 ;;
    esac
    scaled=$scaled_whole$scaled_rest
    # A leading zero would make the shell read an octal number.
    while [ "$scaled" != "${scaled#0}" ] && [ ${#scaled} -gt 1 ]; do scaled=${scaled#0}; done
}

warning=1.5 critical=3
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) shift ;;
        --warning) need_value "$@"; warning=$2; shift 2 ;;
        --critical) need_value "$@"; critical=$2; shift 2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
done
hundredths "$warning" || bad_argument "--warning must be a number such as 1.5, not '$warning'"
warning_scaled=$scaled
hundredths "$critical" || bad_argument "--critical must be a number such as 3, not '$critical'"
critical_scaled=$scaled
[ "$warning_scaled" -le "$critical_scaled" ] || bad_argument "--warning $warning is above --critical $critical"

if ! read -r load1 load5 load15 _ </proc/loadavg; then
    echo 'UNKNOWN - /proc/loadavg is not readable'
    exit "$UNKNOWN"
fi
processors=$(getconf _NPROCESSORS_ONLN)
hundredths "$load1"
load_scaled=$((scaled / processors))

code=$OK
[ "$load_scaled" -lt "$warning_scaled" ] || code=$WARNING
[ "$load_scaled" -lt "$critical_scaled" ] || code=$CRITICAL
result_word "$code"
printf "%s - load %s, %s, %s on %s processors, %d.%02d each | 'load_per_processor'=%d.%02d;%s;%s;0; 'load1'=%s;;;0;\n" \
    "$word" "$load1" "$load5" "$load15" "$processors" $((load_scaled / 100)) $((load_scaled % 100)) \
    $((load_scaled / 100)) $((load_scaled % 100)) "$warning" "$critical" "$load1"
exit "$code"
