# shellcheck shell=sh
# shellcheck disable=SC2034 # the results are for the scripts that source this file
# Helpers for plugins written in POSIX sh. Source it first thing:
#
#     . "${0%/*}/lib.sh"
#
# Everything here uses shell builtins only, because a plugin must start in a few
# milliseconds; where a process is forked after all, the comment says so.
# Functions that compute a value leave it in a variable: `$(...)` would fork.

# Values are data: never expand `*` in them, and stop at a mistyped variable.
set -uf
# One character is one byte, whatever shell stands behind /bin/sh.
LC_ALL=C

# The four results of a plugin. Any other exit code counts as failed.
OK=0 WARNING=1 CRITICAL=2 UNKNOWN=3

plugin_name=${0##*/}

# show VALUE: leaves it in $shown on one line, cut to 120 bytes, without control characters.
show() {
    shown='' show_rest=$1
    while :; do
        case $show_rest in
            *[[:cntrl:]]*) ;;
            *) break ;;
        esac
        show_head=${show_rest%%[[:cntrl:]]*}
        shown=$shown$show_head'?'
        show_rest=${show_rest#"$show_head"?}
        [ ${#shown} -lt 120 ] || show_rest=''
    done
    shown=$shown$show_rest
    [ ${#shown} -le 120 ] || shown="$(printf '%.117s' "$shown")..."
}

# bad_argument SENTENCE: one line, exit UNKNOWN.
bad_argument() {
    show "$1"
    printf 'UNKNOWN - %s: %s (see --help)\n' "$plugin_name" "$shown"
    exit "$UNKNOWN"
}

# need_value "$@": refuses an option that stands last, without its value.
need_value() {
    [ $# -ge 2 ] || bad_argument "$1 needs a value"
}

# need_number OPTION VALUE MIN MAX: refuses what is not a whole number in that range.
need_number() {
    case $2 in
        '' | *[!0-9]* | ??????????*) ;;
        *) [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ] || return 0 ;;
    esac
    bad_argument "$1 must be a whole number from $3 to $4, not '$2'"
}

# result_code WORD: leaves the exit code of ok, warning, critical or unknown in $code; false for any other word.
result_code() {
    case $1 in
        ok) code=$OK ;;
        warning) code=$WARNING ;;
        critical) code=$CRITICAL ;;
        unknown) code=$UNKNOWN ;;
        *) return 1 ;;
    esac
}

# result_word CODE: leaves the word for a result of 0 to 3 in $word.
result_word() {
    case $1 in
        0) word=OK ;;
        1) word=WARNING ;;
        2) word=CRITICAL ;;
        *) word=UNKNOWN ;;
    esac
}

# json_string VALUE: leaves it in $json as a JSON string, quotes included. Forks once per rare control character.
json_string() {
    json='' json_rest=$1
    while :; do
        case $json_rest in
            *[\"\\[:cntrl:]]*) ;;
            *) break ;;
        esac
        json_head=${json_rest%%[\"\\[:cntrl:]]*}
        json_rest=${json_rest#"$json_head"}
        json_tail=${json_rest#?}
        json_escape "${json_rest%"$json_tail"}"
        json=$json$json_head$json_char
        json_rest=$json_tail
    done
    json="\"$json$json_rest\""
}

# shellcheck disable=SC1003 # two backslashes are meant
json_escape() {
    case $1 in
        \") json_char='\"' ;;
        \\) json_char='\\' ;;
        "$newline") json_char='\n' ;;
        "$return") json_char='\r' ;;
        "$tab") json_char='\t' ;;
        *) json_char=$(printf '\\u%04x' "'$1") ;;
    esac
}

newline='
'
tab='	'
# A carriage return as itself, because `$(printf)` would fork.
return=''

# percent_encode VALUE: leaves it in $encoded, everything but RFC 3986's unreserved characters encoded.
# Forks only where there is something to encode.
percent_encode() {
    case $1 in
        *[!A-Za-z0-9._~-]*) ;;
        *)
            encoded=$1
            return 0
            ;;
    esac
    encoded='' encode_rest=$1
    for encode_byte in $(printf '%s' "$1" | od -An -v -tx1 | tr a-f A-F); do
        encode_tail=${encode_rest#?}
        case $encode_byte in
            2D | 2E | 3[0-9] | 4[1-9A-F] | 5[0-9AF] | 6[1-9A-F] | 7[0-9AE])
                encoded=$encoded${encode_rest%"$encode_tail"}
                ;;
            *) encoded=$encoded%$encode_byte ;;
        esac
        encode_rest=$encode_tail
    done
}

progress_used=0 progress_writer=''

# progress_write LINE: one line to the FIFO of SELFSERVICE_PROGRESS. Never blocks and never fails: progress is only
# for the eye. Opening for reading and writing does not wait for a reader, and what a pipe surely holds is written
# directly. Beyond that each line is left to a background writer, and dropped while the last one still waits.
progress_write() {
    [ -n "${SELFSERVICE_PROGRESS:-}" ] && [ -w "$SELFSERVICE_PROGRESS" ] && [ -r "$SELFSERVICE_PROGRESS" ] || return 0
    progress_used=$((progress_used + ${#1} + 1))
    if [ "$progress_used" -le 4000 ]; then
        { printf '%s\n' "$1" 1<>"$SELFSERVICE_PROGRESS"; } 2>/dev/null || :
        return 0
    fi
    jobs >/dev/null 2>&1 # notices that the last writer has ended
    if [ -n "$progress_writer" ] && kill -0 "$progress_writer" 2>/dev/null; then return 0; fi
    {
        # Write-only from here on, so that the writer ends when the reader goes away.
        exec 9>"$SELFSERVICE_PROGRESS" 8>&-
        printf '%s\n' "$1" >&9
    } 8<>"$SELFSERVICE_PROGRESS" >/dev/null 2>&1 &
    progress_writer=$!
}

# progress_steps NAME...: announces the plan.
progress_steps() {
    progress_list=''
    for progress_name; do
        json_string "$progress_name"
        progress_list=$progress_list${progress_list:+,}$json
    done
    progress_write "{\"steps\":[$progress_list]}"
}

# progress_step NAME [NOTE]: makes a step current; those before it are done.
progress_step() {
    json_string "$1"
    progress_line="{\"step\":$json"
    if [ -n "${2:-}" ]; then
        json_string "$2"
        progress_line="$progress_line,\"note\":$json"
    fi
    progress_write "$progress_line}"
}

# progress_percent NUMBER: 0 to 100.
progress_percent() {
    progress_write "{\"percent\":$1}"
}
