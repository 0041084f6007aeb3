#!/bin/sh
# Runs one command on another machine with the OpenSSH client. The remote argv equals ours byte for byte, and a
# cancel, a time-out or a lost connection ends the remote process group as well.
# Needs: ssh, ssh-keygen
. "${0%/*}/lib.sh"

usage() {
    cat <<'TEXT'
Usage: ssh.sh --host HOST [options] -- COMMAND [ARGUMENT...]
       ssh.sh --host HOST [options] --script FILE [-- ARGUMENT...]

Runs COMMAND on HOST with exactly these arguments, whatever stands in them.
Nobody's ~/.ssh/config and no agent is used, and nothing is ever asked.
The other side needs sh; ps should be there.

  --host HOST           name or address
  --user NAME           remote user
  --port N              default 22
  --jump [USER@]HOST[:PORT]
                        go through this machine; 'none' goes directly
  --identity FILE       private key (default id_ed25519); a name without / is
                        looked up in the ssh directory of the settings
  --certificate FILE    the key's certificate (default: FILE-cert.pub beside it)
  --known-hosts FILE    trusted host keys and @cert-authority lines
                        (default known_hosts)
  --accept-new          store the key of a host that is not known yet; a changed
                        key is always refused
  --host-key-alias NAME look the host key up under this name (default: the name
                        of the task's host where HOST is its address)
  --sudo NAME           run the command as this user by sudo -n -u NAME
  --script FILE         send this script and run it there, by the interpreter of
                        its first line or sh; a name without / is looked up in
                        scripts/ of the ssh directory
  --steps               lines of output turn into progress: '::steps A, B, C',
                        '::step B' and '::percent 40'
  --connect-timeout S   1 to 300 seconds, default 10
  --timeout S           the remote side ends the command after so many seconds,
                        1 to 604800 (default: the time-out of the task, or 300)
  --grace S             seconds between TERM and KILL for the remote side, 1 to
                        600 (default: four less than the task's, or 4)
  --check               connect, sign in, look for COMMAND if given; run nothing
  --show-host-key       print the host's key as a line for known_hosts; 0: it is
                        trusted, 1: it is new, 2: it differs from the trusted one
  --help                this text

Defaults of user, jump, host keys and directory come from [ssh] in settings.ini.

Exit: 0 to 3 as the command ended; any other remote exit code is 2, with a
sentence; 3 for bad arguments and when the connection failed (the sentence
tells host key, login, refused, time-out and name apart).
TEXT
}

# need_plain OPTION VALUE: only what stands in names of hosts, users and in addresses; so nothing can be read as an
# option or be expanded by ssh.
need_plain() {
    case $2 in
        '' | [!A-Za-z0-9_:]* | *[!A-Za-z0-9._:-]*)
            bad_argument "$1 '$2' is refused: letters, digits and . _ : - are allowed, starting with a letter or digit" ;;
    esac
}

# file_of OPTION VALUE DIRECTORY: leaves the absolute path of a readable file in $file, with nothing in it that ssh
# expands (% $ ~). A name without a slash stands for a file in DIRECTORY.
file_of() {
    file=''
    case $2 in
        '' | -* | \~*) ;;
        /*) file=$2 ;;
        */*) file=$PWD/$2 ;;
        *) file=$3/$2 ;;
    esac
    case $file in
        '' | *[%\$\"\\[:cntrl:]]*) bad_argument "$1 '$2' is refused: no leading - or ~ and no % \$ \" \\ in the name of a file" ;;
    esac
}

# readable_file OPTION VALUE DIRECTORY: the same, and it must be there.
readable_file() {
    file_of "$@"
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then
        [ -c "$file" ] || bad_argument "$1 '$file' is not a readable file"
    fi
}

# quote VALUE: leaves it in $quoted in single quotes for the shell of the other side.
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

# split_jump VALUE: [USER@]HOST[:PORT] or [USER@][ADDRESS]:PORT into $jump_user, $jump_host and $jump_port.
split_jump() {
    jump_user='' jump_port=22 jump_host=$1
    case $jump_host in *@*) jump_user=${jump_host%%@*} jump_host=${jump_host#*@}; need_plain --jump "$jump_user" ;; esac
    case $jump_host in
        \[*\]:*) jump_port=${jump_host##*:} jump_host=${jump_host%:*} ;;
        *:*:*) ;;
        *:*) jump_port=${jump_host#*:} jump_host=${jump_host%%:*} ;;
    esac
    jump_host=${jump_host#\[} jump_host=${jump_host%\]}
    need_plain --jump "$jump_host"
    need_number --jump "$jump_port" 1 65535
}

# write_config FILE: the host and the machine on the way, for which ssh starts a second ssh, follow the same rules.
write_config() {
    cat >"$1" <<TEXT
BatchMode yes
IdentitiesOnly yes
IdentityFile "$identity"
${certificate:+CertificateFile "$certificate"}
IdentityAgent none
PreferredAuthentications ${authentications:-publickey}
PasswordAuthentication no
KbdInteractiveAuthentication no
NumberOfPasswordPrompts 0
StrictHostKeyChecking $strict
GlobalKnownHostsFile "$known_hosts"
UserKnownHostsFile "$new_hosts"
UpdateHostKeys no
HashKnownHosts no
ForwardAgent no
ForwardX11 no
ClearAllForwardings yes
PermitLocalCommand no
ControlMaster no
ControlPath none
ConnectTimeout $connect_timeout
ServerAliveInterval 15
ServerAliveCountMax 3
TEXT
}

# run_ssh REMOTE-COMMAND: its own messages go to a file, so that standard error is the remote side's alone. What
# that one function logs tells a remote exit code of 255 from a lost connection. The command of the way consists of
# words that need_plain let pass.
run_ssh() {
    exec ssh -F config -T -E ssh.log -o LogVerbose='*:client_input_channel_req():*' ${alias:+-o HostKeyAlias="$alias"} \
        ${jump:+-o ProxyCommand="ssh -F jump_config -T -E jump.log ${jump_user:+-l $jump_user} -p $jump_port -W '[%h]:%p' -- $jump_host"} \
        -p "$port" ${user:+-l "$user"} -- "$host" "$1"
}

# relay: passes the remote output on and keeps the line that tells the process group.
relay() {
    while IFS= read -r line; do
        case $line in
            *"$mark "*)
                # What a login script printed without a line end stands before the mark.
                printf '%s' "${line%"$mark "*}"
                printf '%s\n' "${line##*"$mark "}" >group
                echo go >&8
                progress_step Run
                if [ -n "$steps" ]; then exec tee marked; fi
                exec cat
                ;;
        esac
        printf '%s\n' "$line"
    done
    printf '%s' "$line"
}

# read_marked: turns marked lines into progress.
read_marked() {
    grep -a --line-buffered '^::' | while IFS= read -r line; do
        case $line in
            '::steps '*)
                list=${line#::steps }
                set -- Connect
                while [ -n "$list" ]; do
                    name=${list%%,*} list=${list#"${list%%,*}"}
                    list=${list#,} name=${name# }
                    set -- "$@" "${name% }"
                done
                progress_steps "$@"
                ;;
            '::step '*) progress_step "${line#::step }" ;;
            '::percent '*)
                case ${line#::percent } in
                    '' | *[!0-9]* | ????*) ;;
                    *) progress_percent "${line#::percent }" ;;
                esac
                ;;
        esac
    done
}

# claim: true for the first who asks, whether that is the feeder before it sends anything, or the end of all waiting.
# What the feeder was refused was surely never run.
claim() {
    set -C
    if true 2>/dev/null >claimed; then claimed=1; else claimed=''; fi
    set +C
    [ -n "$claimed" ]
}

# feed COMMAND [ARGUMENT...]: sends the far half and the command as soon as the other side listens, then says that it
# is alive. Ends with USR2 only.
feed() {
    trap '' TERM INT HUP
    sleeper=''
    trap '[ -z "$sleeper" ] || kill -s KILL "$sleeper"; exit' USR2
    read -r _ <&8 && claim || exit
    exec 8>&-
    cat "$far_half"
    printf 'limit=%s grace=%s sudo_user=%s script=' "$timeout" "$grace" "$sudo_user"
    if [ -n "$script" ]; then
        # A shell reads a block to its end before it begins, so nothing of it is left on standard input.
        printf "'%s" "${script_block:+"{ "}"
        sed "s/'/'\\\\''/g" "$script"
        printf '%s' "${script_block:+"$newline}"}'"
    fi
    printf '\nset --'
    for word; do
        quote "$word"
        printf ' %s' "$quoted"
    done
    # Said before it is true: a quick command may have ended there before this shell comes to its next line.
    : >sending
    printf '\n%s "$@"; exit\n' "$action"
    : >sent
    while :; do
        sleep 15 >/dev/null 2>&1 &
        sleeper=$!
        wait "$sleeper"
        echo alive
    done
}

# wait_for_ssh SECONDS: waits for its end, and kills it when it takes longer. Leaves its exit code in $status.
# shellcheck disable=SC2317 # called by the trap
wait_for_ssh() {
    (
        sleeper=''
        trap '[ -z "$sleeper" ] || kill -s KILL "$sleeper"; exit' USR2
        sleep "$1" &
        sleeper=$!
        wait "$sleeper"
        kill -s KILL "$ssh_process"
    ) >/dev/null 2>&1 7>&- 8>&- &
    alarm=$!
    wait "$ssh_process"
    status=$?
    kill -s USR2 "$alarm" 2>/dev/null
}

# end_helpers: ends the feeder, and waits for the last words of the command.
end_helpers() {
    if [ -e sent ]; then kill -s USR2 "$feeder"; else kill -s KILL "$feeder"; fi 2>/dev/null
    if [ -e group ]; then
        wait "$relay_process"
        [ -z "$marker" ] || wait "$marker"
    else
        # Nothing was said yet that matters, and a FIFO that nobody opens is waited for without end.
        kill -s KILL "$relay_process" ${marker:+"$marker"} 2>/dev/null
    fi
}

# stop: called by the trap.
# shellcheck disable=SC2317 # called by the trap
stop() {
    trap '' TERM INT HUP
    if claim; then
        kill -s KILL "$ssh_process" "$feeder" "$relay_process" ${marker:+"$marker"} 2>/dev/null
        printf 'CRITICAL - stopped before the command was sent to %s; nothing was run there\n' "$host"
        exit "$CRITICAL"
    fi
    patience=0
    while [ ! -e sent ] && [ "$patience" -lt 20 ]; do
        sleep 0.1
        patience=$((patience + 1))
    done
    read -r leader <group
    printf 'stopping process group %s on %s\n' "$leader" "$host"
    # Only behind the whole text: in the middle of it, this word would become part of the command.
    [ ! -e sent ] || echo stop >&7
    wait_for_ssh $((grace + 3))
    end_helpers
    how_it_ended
    case $ended,$status in
        code,137 | signal,137) end="not confirmed: the command has ended, but something it started still holds its output" ;;
        code,213) end="ended by TERM, confirmed by $host" ;;
        code,214 | signal,*) end="ended by KILL after $grace s, confirmed by $host" ;;
        code,215) end="could not be ended: it still runs on $host (limit there: $timeout s)" ;;
        code,*) end="had just ended with exit code $status" ;;
        *) end="not confirmed: $host gave no answer (limit there: $timeout s)" ;;
    esac
    printf 'CRITICAL - stopped; process group %s %s\n' "$leader" "$end"
    exit "$CRITICAL"
}

# how_it_ended: leaves code, signal or lost in $ended, what ssh said in $messages.
how_it_ended() {
    ended=lost messages='' jump_messages=''
    [ ! -e ssh.log ] || while IFS= read -r line; do
        case $line in
            *'rtype exit-status'*) ended=code ;;
            *'rtype exit-signal'*) ended=signal ;;
            *client_input_channel_req*) ;;
            *) messages=$messages$line$newline ;;
        esac
    done <ssh.log
    [ ! -e jump.log ] || while IFS= read -r line; do jump_messages=$jump_messages$line$newline; done <jump.log
}

# connection_trouble: leaves what ssh's own messages mean in $reason.
connection_trouble() {
    trouble_host=$host trouble_port=$port trouble=$messages reason=''
    # Where the way itself is fine, ssh on the way tells why it cannot go on to the host.
    case $jump_messages in
        '') ;;
        *'open failed: '*) trouble=$jump_messages ;;
        *) trouble_host=$jump_host trouble_port=$jump_port trouble=$jump_messages reason='jump host: ' ;;
    esac
    case $trouble in
        *'HOST IDENTIFICATION HAS CHANGED'*) reason="${reason}host key: the key of $trouble_host differs from the trusted one" ;;
        *'REVOKED HOST KEY'*) reason="${reason}host key: the key of $trouble_host is revoked" ;;
        *'Certificate invalid'*) reason="${reason}host key: the certificate of $trouble_host is not valid for it, or not now" ;;
        *'Host key verification failed'* | *'host key is known for'*)
            reason="${reason}host key: the key of $trouble_host is not trusted yet" ;;
        *'UNPROTECTED PRIVATE KEY'*) reason="${reason}login: others may read the key $identity (chmod 600)" ;;
        *'Permission denied'* | *'Too many authentication failures'*)
            reason="${reason}login: $trouble_host refused the key $identity" ;;
        *'Connection refused'*)
            reason="${reason}refused: nothing listens on port $trouble_port of $trouble_host" ;;
        *'Could not resolve hostname'* | *'Name or service not known'* | *'name resolution'*)
            reason="${reason}name: $trouble_host cannot be resolved" ;;
        *'timed out'* | *'Timeout, server'*) reason="${reason}time-out: $trouble_host did not answer in time" ;;
        *'No route to host'* | *'Network is unreachable'*) reason="${reason}network: there is no way to $trouble_host" ;;
        *) show "${trouble:-ssh gave no reason}"; reason="${reason}connection: $shown" ;;
    esac
}

# show_host_key: no login is tried, only the key exchange.
show_host_key() {
    : >new_hosts
    trusted=$known_hosts new_hosts=$work/new_hosts strict=accept-new authentications=none
    write_config config
    (run_ssh true) </dev/null >/dev/null 2>&1
    code=$UNKNOWN
    how_it_ended
    case $messages in
        *'HOST IDENTIFICATION HAS CHANGED'*)
            known_hosts=/dev/null
            : >ssh.log
            write_config config
            (run_ssh true) </dev/null >/dev/null 2>&1
            code=$CRITICAL state='differs from the trusted one in'
            ;;
        *'Permission denied'*) code=$OK state='is trusted in' ;;
    esac
    if [ -s new_hosts ]; then
        [ "$code" = "$CRITICAL" ] || code=$WARNING state='is new to'
        known=$(ssh-keygen -l -f new_hosts)
        # BITS FINGERPRINT NAME (TYPE)
        # shellcheck disable=SC2086 # split into words on purpose
        set -- $known
        state="${2:-} ${4:-} $state"
    elif [ "$code" = "$UNKNOWN" ]; then
        connection_trouble
        printf 'UNKNOWN - %s\n' "$reason"
        exit "$UNKNOWN"
    fi
    result_word "$code"
    printf '%s - the key of %s %s %s\n' "$word" "${alias:-$host}" "$state" "$trusted"
    while IFS= read -r line; do printf '%s\n' "$line"; done <new_hosts
    exit "$code"
}

case ${0%/*} in
    /*) here=${0%/*} ;;
    *) here=$PWD/${0%/*} ;;
esac
far_half=$here/ssh_remote.sh directory=${SELFSERVICE_SSH_DIRECTORY:-$here/../etc/ssh}
host='' port=22 alias='' sudo_user='' script='' script_block='' steps='' action=run identity=id_ed25519 certificate=''
known_hosts=known_hosts user=${SELFSERVICE_SSH_USER:-} jump=${SELFSERVICE_SSH_JUMP_HOST:-}
connect_timeout=${SELFSERVICE_SSH_CONNECT_TIMEOUT:-10} timeout=${SELFSERVICE_TIMEOUT:-300} grace=''
case ${SELFSERVICE_SSH_HOST_KEYS:-} in accept-new) strict=accept-new ;; *) strict=yes ;; esac
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) action=check; shift; continue ;;
        --show-host-key) action=show_host_key; shift; continue ;;
        --accept-new) strict=accept-new; shift; continue ;;
        --steps) steps=1; shift; continue ;;
        --) shift; break ;;
        --*) need_value "$@" ;;
        *) bad_argument "unknown argument '$1'; the command stands after --" ;;
    esac
    case $1 in
        --host) need_plain --host "$2"; host=$2 ;;
        --user) need_plain --user "$2"; user=$2 ;;
        --port) need_number --port "$2" 1 65535; port=$2 ;;
        --jump) split_jump "$2"; jump=$2 ;;
        --identity) identity=$2 ;;
        --certificate) readable_file --certificate "$2" "$directory"; certificate=$file ;;
        --known-hosts) known_hosts=$2 ;;
        --host-key-alias) need_plain --host-key-alias "$2"; alias=$2 ;;
        --sudo) need_plain --sudo "$2"; sudo_user=$2 ;;
        --script) readable_file --script "$2" "$directory/scripts"; script=$file ;;
        --connect-timeout) need_number --connect-timeout "$2" 1 300; connect_timeout=$2 ;;
        --timeout) timeout=$2 ;;
        --grace) need_number --grace "$2" 1 600; grace=$2 ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
    shift 2
done
[ -n "$host" ] || bad_argument '--host is missing'
need_number --timeout "$timeout" 1 604800
[ -z "$user" ] || need_plain --user "$user"
need_number --connect-timeout "$connect_timeout" 1 300
[ "$jump" != none ] || jump=''
[ -z "$jump" ] || split_jump "$jump"
if [ -z "$grace" ]; then
    grace=$((${SELFSERVICE_GRACE:-8} - 4))
    [ "$grace" -ge 1 ] || grace=1
fi
# A host that the inventory knows is known by its name there, since its address may change.
if [ -z "$alias" ] && [ "$host" = "${NAGIOS_HOSTADDRESS:-}" ]; then
    case ${SELFSERVICE_HOST:-} in '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9._-]*) ;; *) alias=$SELFSERVICE_HOST ;; esac
fi
if [ "$strict" = yes ] && [ "$action" != show_host_key ]; then
    readable_file --known-hosts "$known_hosts" "$directory"
else
    file_of --known-hosts "$known_hosts" "$directory"
fi
known_hosts=$file new_hosts=/dev/null
if [ "$strict" = accept-new ]; then
    # Where the program may not change what was trusted by a person, new keys stand in a file of their own. A key that
    # cannot be stored would be believed anew each time.
    new_hosts=$known_hosts
    if [ -e "$known_hosts" ] && [ ! -w "$known_hosts" ]; then new_hosts=${known_hosts%/*}/accepted_hosts; fi
    if [ ! -w "$new_hosts" ] && { [ -e "$new_hosts" ] || [ ! -w "${new_hosts%/*}" ]; }; then
        bad_argument "--accept-new cannot store keys: $new_hosts is not writable"
    fi
fi
if [ "$action" = show_host_key ]; then
    file_of --identity "$identity" "$directory"
else
    readable_file --identity "$identity" "$directory"
fi
identity=$file

if [ -n "$script" ]; then
    [ "$(tr -dc '\000' <"$script" | wc -c)" -eq 0 ] || bad_argument "--script '$script' holds NUL bytes: only text can be sent"
    IFS= read -r line <"$script" || :
    case $line in
        '#!'*)
            # As the kernel does it: the interpreter, and the rest of the line as one argument.
            line=${line#'#!'} line=${line#"${line%%[! 	]*}"}
            interpreter=${line%%[ 	]*} line=${line#"$interpreter"}
            line=${line#"${line%%[! 	]*}"}
            ;;
        *) interpreter=sh line='' ;;
    esac
    case $interpreter,$line in
        */env,*) name=$line ;;
        *) name=${interpreter##*/} ;;
    esac
    case ${name##*/} in
        sh | ash | bash | dash | ksh | mksh | zsh) script_block=1; set -- -s -- "$@" ;;
        *) set -- - "$@" ;;
    esac
    [ -z "$line" ] || set -- "$line" "$@"
    set -- "$interpreter" "$@"
fi
[ $# -gt 0 ] || [ "$action" != run ] || bad_argument 'the command is missing; it stands after --'
[ "${1-x}" ] || bad_argument 'the command is an empty word'
if [ -n "$sudo_user" ] && [ $# -gt 0 ]; then set -- sudo -n -u "$sudo_user" -- "$@"; fi

target=${user:+$user@}$host${jump:+ through $jump_host}
# In the task's private directory, which is removed also when this process is killed.
base=${TMPDIR:-/tmp}
[ -n "${TMPDIR:-}" ] || [ -z "${SELFSERVICE_TASK_UUID:-}" ] || base=$HOME
if ! { work=$(mktemp -d "$base/ssh.XXXXXXXXXX") && cd "$work"; }; then
    echo 'UNKNOWN - no temporary directory can be made'
    exit "$UNKNOWN"
fi
trap 'cd /; rm -rf "$work"' EXIT
asked_to_stop=''
trap 'asked_to_stop=1' TERM INT HUP
[ -z "$jump" ] || write_config jump_config
if [ "$action" = show_host_key ]; then show_host_key; fi
mark="selfservice-group-${SELFSERVICE_TASK_UUID:-$$}"
# Waits for the far half once it leads a process group, since a group is what can be ended. (sshd starts it as a
# leader, other servers may not.) These words are for whatever shell the account has, so they hold no data.
ready="echo $mark \$\$; exec sh -s"
remote="exec sh -c 'if kill -s 0 -- -\$\$ 2>/dev/null; then exec sh -c \"\$0\"; else exec setsid sh -c \"\$0\"; fi' '$ready'"

write_config config
mkfifo output input ready marked || exit "$UNKNOWN"
# Opening for both does not wait for the other end.
exec 7<>input 8<>ready
if [ "$action" = run ]; then
    progress_steps Connect Run
    progress_step Connect "$target"
fi
# All ignore TERM, which comes to the whole group: the last words of the command are still wanted.
(
    trap '' TERM INT HUP
    exec 7>&-
    relay
) <output &
relay_process=$!
(
    trap '' TERM INT HUP
    exec 7>&- 8>&-
    run_ssh "$remote"
) <input >output &
ssh_process=$!
(
    exec >&7 7>&-
    feed "$@"
) </dev/null &
feeder=$!
marker=''
if [ -n "$steps" ]; then
    (
        trap '' TERM INT HUP
        exec 7>&- 8>&-
        read_marked
    ) <marked >/dev/null &
    marker=$!
fi
trap stop TERM INT HUP
[ -z "$asked_to_stop" ] || stop
wait "$ssh_process"
status=$?
trap '' TERM INT HUP
end_helpers
how_it_ended

if [ "$ended" = lost ]; then
    connection_trouble
    if [ -e sending ]; then
        reason="the connection to $host was lost while the command ran; how it ended is not known ($reason)"
    fi
    printf 'UNKNOWN - %s\n' "$reason"
    exit "$UNKNOWN"
fi
[ -z "$messages$jump_messages" ] || printf '%s' "$jump_messages$messages" >&2
if [ "$action" = check ]; then
    [ "$status" != 0 ] || { printf 'OK - signed in to %s, nothing was run\n' "$target"; exit "$OK"; }
    printf 'CRITICAL - signed in to %s, but the command is not there or not allowed\n' "$target"
    exit "$CRITICAL"
fi
if [ ! -e sending ]; then
    printf 'UNKNOWN - %s ended the session before it took the command; nothing was run there\n' "$host"
    exit "$UNKNOWN"
fi
case $ended,$status in
    code,[0-3]) exit "$status" ;;
    signal,*) reason='a signal' ;;
    *,124) reason="exit code 124: most likely the limit of $timeout s" ;;
    *,126) reason='exit code 126: the command is not executable there' ;;
    *,127) reason='exit code 127: the command was not found there' ;;
    *,129 | *,13? | *,14?) reason="exit code $status: most likely signal $((status - 128))" ;;
    *) reason="exit code $status" ;;
esac
printf 'CRITICAL - the command ended on %s with %s\n' "$host" "$reason"
exit "$CRITICAL"
