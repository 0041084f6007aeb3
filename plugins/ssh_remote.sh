# shellcheck shell=sh
# shellcheck disable=SC2154 # ssh.sh sets limit, grace, sudo_user and script behind these lines
# The far half of ssh.sh. It is sent to `sh -s` on the other machine, where nothing has to be installed; behind it
# follow what is to be run and the line that starts it, so whatever is cut off on the way runs nothing.
#
# The command runs in this shell's process group. A watcher reads the connection meanwhile: the other side says `alive`
# every 15 seconds and `stop` when it wants an end. Silence, a lost connection and the limit end the group as well.
set -f

# How a stopped command ended, as exit codes for the other side.
by_term=213 by_kill=214 not_ended=215

# seconds: leaves seconds of a clock that nobody sets in $now.
seconds() {
    if read -r now _ 2>/dev/null </proc/uptime; then now=${now%%.*}; else now=$(date +%s); fi
}

# members: who else than this shell and its watcher lives in the group, in $members. 0 some, 1 nobody, 2 not known.
members() {
    members=''
    # shellcheck disable=SC2046 # split into words on purpose
    set -- $(ps -A -o pgid= -o pid= -o ppid= -o stat= 2>/dev/null)
    [ $# -gt 0 ] || return 2
    while [ $# -ge 4 ]; do
        # A zombie is gone: in a container nobody may ever collect it.
        case $1,$4 in
            "$$,Z"*) ;;
            "$$,"*) [ "$2" = $$ ] || [ "$2" = "$watcher" ] || [ "$3" = "$watcher" ] || members="$members $2" ;;
        esac
        shift 4
    done
    [ -n "$members" ]
}

# gone_within SECONDS: whether nobody else was left in the group before that.
gone_within() {
    tenths=0
    while [ "$tenths" -lt "${1}0" ]; do
        members
        [ $? -ne 1 ] || return 0
        sleep 0.1 2>/dev/null || { sleep 1; tenths=$((tenths + 9)); }
        tenths=$((tenths + 1))
    done
    return 1
}

# send SIGNAL PROCESS...: also with the rights of the user of --sudo, where sudo allows kill.
send() {
    signal=$1
    shift
    kill -s "$signal" -- "$@" 2>/dev/null
    [ -z "$sudo_user" ] || sudo -n -u "$sudo_user" -- kill -s "$signal" -- "$@" >/dev/null 2>&1
}

# end_group: TERM, and after the grace period KILL. Leaves how it ended in $verdict.
end_group() {
    kill -s USR1 $$
    send TERM "-$$"
    verdict=$by_term
    ! gone_within "$grace" || return 0
    verdict=$by_kill
    members
    # Without ps nobody can be spared: then the connection itself tells that everything was killed.
    # shellcheck disable=SC2086 # one word each
    if [ $? -eq 2 ]; then kill -s KILL -- "-$$"; else send KILL $members; fi
    gone_within 2 || verdict=$not_ended
}

# watch_connection: standard input is the connection.
watch_connection() {
    trap '' TERM INT HUP PIPE
    # This shell may be killed in the middle of anything, and nobody wants to hear of it.
    exec 2>/dev/null
    watcher=$(exec sh -c 'echo $PPID')
    seconds
    end=$((now + limit))
    while :; do
        seconds
        left=$((end - now))
        [ "$left" -gt 0 ] || break
        [ "$left" -le 60 ] || left=60
        if command -v timeout >/dev/null; then
            # shellcheck disable=SC2016 # for the inner shell
            word=$(timeout "$left" sh -c 'IFS= read -r word && echo "$word"')
        else
            # shellcheck disable=SC2016 # for the inner shell
            word=$(exec sh -c '
                reader=$$
                (
                    trap '\''kill -s KILL $!; exit'\'' USR2
                    sleep "$1" &
                    wait $!
                    kill -s KILL "$reader"
                ) </dev/null >/dev/null &
                IFS= read -r word && echo "$word"
                kill -s USR2 $!' sh "$left")
        fi
        [ "$word" = alive ] || break
    done
    end_group
    [ "$word" != stop ] || exit "$verdict"
    seconds
    [ "$now" -lt "$end" ] || printf 'the limit of %s s was reached\n' "$limit"
    exit 124
}

# run COMMAND [ARGUMENT...]: as this shell's child, so that whatever it leaves behind on purpose may live on.
run() {
    exec 3<&0
    stopped='' word=''
    trap 'stopped=1' USR1
    trap : TERM INT HUP
    watch_connection <&3 3<&- &
    watcher=$!
    if [ -n "$script" ]; then
        printf '%s\n' "$script" | "$@" 3<&-
    else
        "$@" </dev/null 3<&-
    fi
    status=$?
    if [ -n "$stopped" ]; then
        wait "$watcher"
        exit $?
    fi
    exec 2>/dev/null
    kill -s KILL "$watcher"
    exit "$status"
}

# check [COMMAND [ARGUMENT...]]: whether run would find it and be allowed to start it.
check() {
    [ $# -gt 0 ] || exit 0
    if [ "$1" = sudo ]; then
        # sudo -n -u USER -- COMMAND ...
        check_user=$4
        shift 5
        exec sudo -n -l -u "$check_user" -- "$@" >/dev/null
    fi
    command -v -- "$1" >/dev/null
    exit
}
