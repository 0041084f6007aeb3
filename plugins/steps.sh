#!/bin/sh
# Walks through three steps with a progress bar, for trying out how a long action looks and how it is cancelled.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: steps.sh [--seconds N] [--result ok|warning|critical|unknown]

Announces the steps Prepare, Work and Verify, takes N seconds for them, reports
the percentage and prints a line every half second. It changes nothing.
TERM ends it at once, and it says where it was.

  --seconds N     how long it takes, 1 to 3600 (default 30)
  --result WORD   how it ends (default ok)
  --check         say what would be done, and end
  --help          this text

Exit: the chosen result; 2 when stopped; 3 for bad arguments.
END
}

seconds=30 result=ok check=''
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) check=1; shift ;;
        --seconds) need_value "$@"; seconds=$2; shift 2 ;;
        --result) need_value "$@"; result=$2; shift 2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
done
need_number --seconds "$seconds" 1 3600
result_code "$result" || bad_argument "--result must be ok, warning, critical or unknown, not '$result'"
if [ -n "$check" ]; then
    printf 'OK - would walk through 3 steps in %s s and end with %s\n' "$seconds" "$result"
    exit "$OK"
fi

step=Prepare percent=0 ticks=$((seconds * 2)) tick=0
# shellcheck disable=SC2317 # called by the trap
stopped() {
    printf 'CRITICAL - stopped in step %s at %s %%; nothing was left half done\n' "$step" "$percent"
    exit "$CRITICAL"
}
trap stopped TERM INT HUP

begin() {
    step=$1
    progress_step "$step" "$2"
    printf 'step %s: %s\n' "$step" "$2"
}

progress_steps Prepare Work Verify
begin Prepare 'looking around'
while [ "$tick" -lt "$ticks" ]; do
    # In the background, so that a signal is acted on at once and not after the sleep.
    sleep 0.5 &
    wait $!
    tick=$((tick + 1)) percent=$((tick * 100 / ticks))
    progress_percent "$percent"
    printf '%s %% after %s of %s half seconds\n' "$percent" "$tick" "$ticks"
    if [ "$step" = Prepare ] && [ "$percent" -ge 20 ]; then begin Work 'pretending to be busy'; fi
    if [ "$step" = Work ] && [ "$percent" -ge 80 ]; then begin Verify 'checking the outcome'; fi
done

result_word "$code"
printf "%s - three steps in %s s | 'steps'=3;;;0;3 'time'=%ss;;;0;\n" "$word" "$seconds" "$seconds"
exit "$code"
