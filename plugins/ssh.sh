#!/bin/sh
# Runs one command on another machine with the OpenSSH client. The remote argv equals ours byte for byte, and a
# cancel or time-out ends the remote process group as well.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: ssh.sh --host HOST [options] -- COMMAND [ARGUMENT...]

Runs COMMAND on HOST with exactly these arguments: each one is quoted for the
remote shell, which must be sh-like (sh, bash, dash, ksh, zsh). Nobody's
~/.ssh/config and no agent is used, and nothing is ever asked.

  --host HOST           name or address
  --user NAME           remote user (default: the local one)
  --port N              default 22
  --identity FILE       private key (default: id_ed25519 in ../etc/ssh beside the plugins)
  --known-hosts FILE    trusted host keys (default: known_hosts in the same place)
  --accept-new          store the key of a host that is not known yet; a changed key is always refused
  --host-key-alias NAME look the host key up under this name, for hosts whose address changes
  --sudo NAME           run the command as this user by sudo -n -u NAME
  --connect-timeout S   1 to 300 seconds, default 10
  --timeout S           the remote side ends the command after so many seconds, 1 to 604800
                        (default: the time-out of the task, or 300)
  --grace S             seconds between TERM and KILL for the remote side, 1 to 60, default 4
  --check               connect, sign in, look for COMMAND if given; run nothing
  --help                this text

Exit: 0 to 3 as the command ended; any other remote exit code is 2, with a
sentence; 3 for bad arguments and when the connection failed (the sentence
tells host key, login, refused, time-out and name apart).
END
}

# need_plain OPTION VALUE: only what stands in names of hosts, users and in addresses; so nothing can be read as an
# option or be expanded by ssh.
need_plain() {
    case $2 in
        '' | [!A-Za-z0-9_:]* | *[!A-Za-z0-9._:-]*)
            bad_argument "$1 '$2' is refused: letters, digits and . _ : - are allowed, starting with a letter or digit" ;;
    esac
}

# need_file_name OPTION VALUE: a name that ssh does not expand (% $ ~).
need_file_name() {
    case $2 in
        '' | -* | \~* | *[%\$\"\\[:cntrl:]]*) bad_argument "$1 '$2' is refused: no % \$ ~ \" \\ in the name of the file" ;;
    esac
}

# need_file OPTION VALUE: the same, and readable.
need_file() {
    need_file_name "$1" "$2"
    [ -r "$2" ] || bad_argument "$1 '$2' is not a readable file"
}

# quote VALUE: leaves it in $quoted in single quotes for the remote shell.
quote() {
    quoted='' quote_rest=$1
    while :; do
        case $quote_rest in
            *\'*) ;;
            *) break ;;
        esac
        quoted=$quoted${quote_rest%%\'*}\'\\\'\'
        quote_rest=${quote_rest#*\'}
    done
    quoted="'$quoted$quote_rest'"
}

# run_ssh REMOTE-COMMAND: its own messages go to a file, so that standard error is the remote side's alone. What
# that one function logs tells a remote exit code of 255 from a lost connection.
run_ssh() {
    exec ssh -F none -T -n -o LogVerbose='*:client_input_channel_req():*' -E "$work/ssh.log" -p "$port" ${user:+-l "$user"} -i "$identity" \
        -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey \
        -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o NumberOfPasswordPrompts=0 \
        -o StrictHostKeyChecking="$strict" -o UserKnownHostsFile="\"$known_hosts\"" -o GlobalKnownHostsFile=/dev/null \
        -o UpdateHostKeys=no ${alias:+-o HostKeyAlias="$alias"} \
        -o ForwardAgent=no -o ForwardX11=no -o ClearAllForwardings=yes -o PermitLocalCommand=no \
        -o ControlMaster=no -o ControlPath=none \
        -o ConnectTimeout="$connect_timeout" -o ServerAliveInterval=15 -o ServerAliveCountMax=3 \
        -- "$host" "$1"
}

# relay: passes the remote output on and keeps the line that tells the process group.
relay() {
    while IFS= read -r line; do
        case $line in
            *"$mark "*)
                # What a login script printed without a line end stands before the mark.
                printf '%s' "${line%"$mark "*}"
                printf '%s\n' "${line##*"$mark "}" >"$work/group"
                progress_step Run
                exec cat
                ;;
        esac
        printf '%s\n' "$line"
    done
    printf '%s' "$line"
}

# remote_group: leaves the remote process group in $group; false while none is known.
remote_group() {
    group=''
    [ -s "$work/group" ] || return 1
    read -r group <"$work/group"
    case $group in '' | 0 | 1 | *[!0-9]*) return 1 ;; esac
}

# end_remote: called by the trap. The first connection stays up and shows how the command ends.
# shellcheck disable=SC2317 # called by the trap
end_remote() {
    trap '' TERM INT HUP
    if ! remote_group; then
        kill -KILL "$ssh_process" 2>/dev/null
        printf 'CRITICAL - stopped before %s reported a process; nothing was confirmed (limit there: %s s)\n' \
            "$host" "$timeout"
        exit "$CRITICAL"
    fi
    printf 'stopping process group %s on %s\n' "$group" "$host"
    connect_timeout=4
    # Zombies do not count as alive: a container's first process may never collect them.
    ender="g=$group; alive() { ps -o stat= -g \$g 2>/dev/null | grep -qv '^ *Z'; }; "
    ender="${ender}wait_gone() { i=0; while [ \$i -lt \$1 ]; do alive || exit 0; sleep 0.1; i=\$((i+1)); done; }; "
    ender="$ender kill -s TERM -- -\$g 2>/dev/null; (wait_gone ${grace}0; exit 1) && exit 10; "
    ender="$ender kill -s KILL -- -\$g 2>/dev/null; (wait_gone 20; exit 1) && exit 11; exit 12"
    quote "$ender"
    (run_ssh "exec sh -c $quoted")
    case $? in
        10) end="ended by TERM, confirmed by $host" ;;
        11) end="ended by KILL after $grace s, confirmed by $host" ;;
        12) end="could not be ended: it still runs on $host (limit there: $timeout s)" ;;
        *) end="not confirmed: $host could not be reached a second time (limit there: $timeout s)" ;;
    esac
    # What the command printed last may still be on its way through the relay.
    kill -KILL "$ssh_process" 2>/dev/null
    wait "$relay_process"
    printf 'CRITICAL - stopped; process group %s %s\n' "$group" "$end"
    exit "$CRITICAL"
}

# read_messages: leaves what ssh said without being asked for details in $messages.
read_messages() {
    messages=$(grep -v client_input_channel_req "$work/ssh.log")
}

# connection_trouble: leaves what ssh's own messages mean in $reason.
connection_trouble() {
    case $messages in
        *'HOST IDENTIFICATION HAS CHANGED'*) reason="host key: the key of $host differs from the trusted one" ;;
        *'Host key verification failed'* | *'host key is known for'*) reason="host key: the key of $host is not trusted yet" ;;
        *'Permission denied'* | *'Too many authentication failures'*) reason="login: $host refused the key $identity" ;;
        *'Connection refused'*) reason="refused: nothing listens on port $port of $host" ;;
        *'Could not resolve hostname'*) reason="name: $host cannot be resolved" ;;
        *'timed out'* | *'Timeout, server'*) reason="time-out: $host did not answer in time" ;;
        *'No route to host'* | *'Network is unreachable'*) reason="network: there is no way to $host" ;;
        *) show "${messages:-ssh gave no reason}"; reason="connection: $shown" ;;
    esac
}

host='' user='' port=22 strict=yes alias='' sudo_user='' connect_timeout=10 grace=4 check=''
timeout=${SELFSERVICE_TIMEOUT:-300}
identity=${0%/*}/../etc/ssh/id_ed25519 known_hosts=${0%/*}/../etc/ssh/known_hosts
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) check=1; shift; continue ;;
        --accept-new) strict=accept-new; shift; continue ;;
        --) shift; break ;;
        --*) need_value "$@" ;;
        *) bad_argument "unknown argument '$1'; the command stands after --" ;;
    esac
    case $1 in
        --host) need_plain --host "$2"; host=$2 ;;
        --user) need_plain --user "$2"; user=$2 ;;
        --port) need_number --port "$2" 1 65535; port=$2 ;;
        --identity) identity=$2 ;;
        --known-hosts) known_hosts=$2 ;;
        --host-key-alias) need_plain --host-key-alias "$2"; alias=$2 ;;
        --sudo) need_plain --sudo "$2"; sudo_user=$2 ;;
        --connect-timeout) need_number --connect-timeout "$2" 1 300; connect_timeout=$2 ;;
        --timeout) timeout=$2 ;;
        --grace) need_number --grace "$2" 1 60; grace=$2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
    shift 2
done
[ -n "$host" ] || bad_argument '--host is missing'
need_number --timeout "$timeout" 1 604800
[ $# -gt 0 ] || [ -n "$check" ] || bad_argument 'the command is missing; it stands after --'
[ "${1-x}" ] || bad_argument 'the command is an empty word'
need_file --identity "$identity"
# With --accept-new ssh makes the file itself.
if [ "$strict" = yes ] || [ -e "$known_hosts" ]; then need_file --known-hosts "$known_hosts"; fi
need_file_name --known-hosts "$known_hosts"

target=${user:+$user@}$host
words=''
for argument; do
    quote "$argument"
    words="$words $quoted"
done
mark="selfservice-group-${SELFSERVICE_TASK_UUID:-$$}"

if ! { work=$(mktemp -d "${TMPDIR:-/tmp}/ssh.XXXXXXXXXX") && mkfifo "$work/output"; }; then
    echo 'UNKNOWN - no temporary directory can be made'
    exit "$UNKNOWN"
fi
trap 'rm -rf "$work"' EXIT
: >"$work/ssh.log"

if [ -n "$check" ]; then
    remote=:
    if [ $# -gt 0 ]; then
        quote "$1"
        remote="command -v -- $quoted"
        [ -z "$sudo_user" ] || remote="sudo -n -l -u $sudo_user --$words"
    fi
    quote "$remote"
    (run_ssh "exec sh -c $quoted") </dev/null
    check_status=$?
    read_messages
    case $check_status in
        0) printf 'OK - signed in to %s, nothing was run\n' "$target"; exit "$OK" ;;
        255) connection_trouble; printf 'UNKNOWN - %s\n' "$reason"; exit "$UNKNOWN" ;;
        *) printf 'CRITICAL - signed in to %s, but the command is not there or not allowed\n' "$target"; exit "$CRITICAL" ;;
    esac
fi

# On the other side (dash needs -s before -- there): become leader of a process group (sshd starts us as one, other servers may not), tell its number,
# and bound the command there too, since nothing tells the remote side when this side is gone.
inner="printf '%s %s\\n' $mark \$\$; "
[ -z "$sudo_user" ] || inner="${inner}set -- sudo -n -u $sudo_user -- \"\$@\"; "
inner="${inner}if command -v timeout >/dev/null; then exec timeout -k $((grace + 6)) -- $timeout \"\$@\"; else exec \"\$@\"; fi"
quote "$inner"
outer="if kill -s 0 -- -\$\$ 2>/dev/null; then exec sh -c $quoted sh \"\$@\"; else exec setsid sh -c $quoted sh \"\$@\"; fi"
quote "$outer"

progress_steps Connect Run
progress_step Connect "$target"
trap end_remote TERM INT HUP
# Both ignore TERM, which comes to the whole group: the last words of the command are still wanted.
(trap '' TERM INT HUP; relay) <"$work/output" &
relay_process=$!
(trap '' TERM INT HUP; run_ssh "exec sh -c $quoted sh$words") >"$work/output" </dev/null &
ssh_process=$!
wait "$ssh_process"
status=$?
wait "$relay_process"

read_messages
if [ "$status" = 255 ]; then
    case $(cat "$work/ssh.log") in
        *'rtype exit-status'*) ;;
        *'rtype exit-signal'*) status=signal ;;
        *) status=lost ;;
    esac
fi
if [ "$status" = lost ]; then
    connection_trouble
    if remote_group; then
        reason="the connection to $host was lost while the command ran; how it ended is not known ($reason)"
    fi
    printf 'UNKNOWN - %s\n' "$reason"
    exit "$UNKNOWN"
fi
[ -z "$messages" ] || printf '%s\n' "$messages" >&2
case $status in
    0 | 1 | 2 | 3) exit "$status" ;;
    124) reason="exit code 124: most likely the limit of $timeout s" ;;
    126) reason='exit code 126: the command is not executable there' ;;
    127) reason='exit code 127: the command was not found there' ;;
    signal) reason='a signal' ;;
    *) reason="exit code $status" ;;
esac
printf 'CRITICAL - the command ended on %s with %s\n' "$host" "$reason"
exit "$CRITICAL"
