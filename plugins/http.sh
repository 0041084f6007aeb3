#!/bin/sh
# Sends one HTTP request with curl and judges the answer by its status.
. "${0%/*}/lib.sh"

usage() {
    cat <<'END'
Usage: http.sh --url URL [options]

Sends one request and judges the answer by its status code. Redirects are not
followed, certificates are checked, proxies and ~/.curlrc are not used.

  --url URL              http or https; each {} after the host is filled by one --segment
  --segment VALUE        fills the next {}, percent-encoded; "", "." and ".." are refused
  --query NAME=VALUE     adds to the query, percent-encoded; may be repeated
  --method METHOD        default GET, or POST where there is a body
  --header 'NAME: VALUE' may be repeated

One kind of body:
  --body TEXT            sent as it is, text/plain unless --header says otherwise
  --json TEXT            sent as it is, application/json
  --json-field NAME=VALUE  builds a JSON object of strings; may be repeated
  --form NAME=VALUE      application/x-www-form-urlencoded; may be repeated

Signing in, with secrets that the handler declares (SELFSERVICE_SECRET_NAME):
  --bearer-secret NAME   Authorization: Bearer
  --basic-user USER --basic-secret NAME   user and the secret that holds the password
  --header-secret 'HEADER: NAME'   any other header, such as 'X-Api-Key: JIRA'

Judging:
  --expect LIST          statuses that are OK, such as 200,204,300-399 (default 200-299)
  --warning-status LIST  statuses that are WARNING
  --trouble WORD         unknown or critical: no answer at all (default unknown)

Limits:
  --connect-timeout S    1 to 300 seconds, default 10
  --timeout S            1 to 86400 seconds for everything, default 30
  --max-body BYTES       how much of the answer is read and printed, default 65536
  --ca-file FILE         trust these certificate authorities

  --check                send HEAD instead, without the body, and change nothing
  --help                 this text

Exit: 0 OK, 1 WARNING, 2 CRITICAL (any other status), 3 no answer or bad arguments.
END
}

# refuse_controls WHAT VALUE: a line break in a request would be a second header or a second request.
refuse_controls() {
    case $2 in *[[:cntrl:]]*) bad_argument "$1 must not contain line breaks or other control characters" ;; esac
}

# named_value OPTION NAME=VALUE: leaves both in $name and $value.
named_value() {
    case $2 in
        ?*=*) name=${2%%=*} value=${2#*=} ;;
        *) bad_argument "$1 must look like NAME=VALUE, not '$2'" ;;
    esac
}

# secret NAME: leaves the value of SELFSERVICE_SECRET_NAME in $secret.
secret() {
    case $1 in
        '' | *[!A-Za-z0-9_]*) bad_argument "'$1' is no name of a secret (letters, digits and _)" ;;
    esac
    eval "secret=\${SELFSERVICE_SECRET_$1:-}"
    [ -n "$secret" ] || bad_argument "the secret $1 is not given: the handler must declare it"
    refuse_controls "the secret $1" "$secret"
}

# configure KEY VALUE: one more line for curl's configuration, which it reads from a pipe: nothing of the request
# stands in curl's argv. Its quoting is that of a JSON string, except that it knows no \u, so the callers refuse
# control characters.
configure() {
    json_string "$2"
    config="$config$1 = $json$newline"
}

# add_header 'NAME: VALUE': checks both. curl would read a file for a header that starts with @.
add_header() {
    refuse_controls --header "$1"
    case $1 in
        *:*) header_name=${1%%:*} header_value=${1#*:} ;;
        *) bad_argument "--header must look like 'NAME: VALUE', not '$1'" ;;
    esac
    case $header_name in
        '' | *[!A-Za-z0-9_-]*) bad_argument "'$header_name' is no name of a header" ;;
    esac
    case $header_value in
        *[!\ ]*) configure header "$header_name: ${header_value#"${header_value%%[! ]*}"}" ;;
        *) bad_argument "the header $header_name has no value" ;;
    esac
    case $header_name in [Cc]ontent-[Tt]ype) content_type='' ;; esac
}

# add_secret_header 'NAME: SECRET'
add_secret_header() {
    case $1 in
        *': '*) ;;
        *) bad_argument "--header-secret must look like 'HEADER: NAME', not '$1'" ;;
    esac
    secret "${1#*: }"
    add_header "${1%%: *}: $secret"
}

# set_body TYPE TEXT: one kind of body per request.
set_body() {
    [ -z "$body_kind" ] || [ "$body_kind" = "$1" ] || bad_argument "--$body_kind and --$1 exclude each other"
    body_kind=$1 body=$2
}

add_form_field() {
    named_value --form "$1"
    percent_encode "$name"
    form_field=$encoded
    percent_encode "$value"
    set_body form "$body${body:+&}$form_field=$encoded"
}

add_json_field() {
    named_value --json-field "$1"
    json_string "$name"
    json_fields=$json_fields${json_fields:+,}$json
    json_string "$value"
    json_fields="$json_fields:$json"
    set_body json-field "{$json_fields}"
}

add_query() {
    named_value --query "$1"
    refuse_controls --query "$1"
    percent_encode "$name"
    query="$query&$encoded"
    percent_encode "$value"
    query="$query=$encoded"
}

add_segment() {
    refuse_controls --segment "$1"
    case $1 in
        '' | . | ..) bad_argument "--segment '$1' would change which path is meant" ;;
    esac
    percent_encode "$1"
    segments="$segments $encoded"
}

# fill_url: leaves the address with its segments and its query in $url.
fill_url() {
    filled='' rest=$url
    for encoded in $segments; do
        case $rest in
            *'{}'*) filled=$filled${rest%%'{}'*}$encoded rest=${rest#*'{}'} ;;
            *) bad_argument 'there are more --segment than {} in --url' ;;
        esac
    done
    url=$filled$rest
    case $url in *'{}'*) bad_argument 'there are fewer --segment than {} in --url' ;; esac
    [ -z "$query" ] && return 0
    case $url in
        *\?*) url=$url$query ;;
        *) url="$url?${query#&}" ;;
    esac
}

# check_url: what is pasted into --url by macros must not change the host or climb out of the path.
check_url() {
    case $url in
        http://* | https://*) ;;
        '') bad_argument '--url is missing' ;;
        *) bad_argument "--url must start with http:// or https://, not '$url'" ;;
    esac
    authority=${url#*://}
    authority=${authority%%[/?]*}
    case $authority in
        '' | -* | *[!A-Za-z0-9.:_\[\]-]*) bad_argument "--url names no valid host: '$authority'" ;;
    esac
    case $url in
        *[!A-Za-z0-9._~:/?@\!\$\&\'\(\)*+,\;=%{}\[\]-]*)
            bad_argument '--url holds a character that must be percent-encoded: use {} and --segment, or --query' ;;
    esac
    # Servers undo the percent-encoding, some of them twice, and drop what follows a semicolon, before they climb.
    path=$(printf '%s\n' "${url%%\?*}" |
        sed -e 's/%\(25\)*/%/g' -e 's/%2[eE]/./g' -e 's/%2[fF]/\//g' -e 's/%5[cC]/\//g' -e 's/%3[bB]/;/g' \
            -e 's/;[^/]*//g')
    case $path/ in
        */../* | */./*) bad_argument '--url must not hold the segments . or .., encoded or not' ;;
    esac
}

# check_statuses OPTION LIST
check_statuses() {
    IFS=,
    for part in $2; do
        case $part in
            [1-5][0-9][0-9] | [1-5][0-9][0-9]-[1-5][0-9][0-9]) ;;
            *) bad_argument "$1 must look like 200,204,300-399, not '$2'" ;;
        esac
    done
    unset IFS
}

# listed STATUS LIST
listed() {
    IFS=,
    for part in $2; do
        if [ "$1" -ge "${part%-*}" ] && [ "$1" -le "${part#*-}" ]; then
            unset IFS
            return 0
        fi
    done
    unset IFS
    return 1
}

url='' segments='' query='' method='' config='' content_type=1 body='' body_kind='' json_fields=''
basic_user='' basic_secret='' expect=200-299 warning_status='' trouble=unknown
connect_timeout=10 timeout=30 max_body=65536 check=''
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --check) check=1; shift; continue ;;
        --*) need_value "$@" ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
    case $1 in
        --url) url=$2 ;;
        --segment) add_segment "$2" ;;
        --query) add_query "$2" ;;
        --method) method=$2 ;;
        --header) add_header "$2" ;;
        --body) set_body body "$2" ;;
        --json) set_body json "$2" ;;
        --json-field) add_json_field "$2" ;;
        --form) add_form_field "$2" ;;
        --bearer-secret) secret "$2"; configure header "Authorization: Bearer $secret" ;;
        --basic-user) basic_user=$2 ;;
        --basic-secret) basic_secret=$2 ;;
        --header-secret) add_secret_header "$2" ;;
        --expect) check_statuses --expect "$2"; expect=$2 ;;
        --warning-status) check_statuses --warning-status "$2"; warning_status=$2 ;;
        --trouble) trouble=$2 ;;
        --connect-timeout) need_number --connect-timeout "$2" 1 300; connect_timeout=$2 ;;
        --timeout) need_number --timeout "$2" 1 86400; timeout=$2 ;;
        --max-body) need_number --max-body "$2" 0 67108864; max_body=$2 ;;
        --ca-file) refuse_controls --ca-file "$2"; configure cacert "$2" ;;
        *) bad_argument "unknown argument '$1'" ;;
    esac
    shift 2
done

check_url
fill_url
case $trouble in unknown | critical) result_code "$trouble" ;; *) bad_argument '--trouble must be unknown or critical' ;; esac
trouble_code=$code
if [ -n "$basic_secret$basic_user" ]; then
    secret "$basic_secret"
    refuse_controls --basic-user "$basic_user"
    case $basic_user in '' | *:*) bad_argument '--basic-user must be a name without a colon' ;; esac
    configure user "$basic_user:$secret"
fi
if [ -z "$method" ]; then
    method=GET
    [ -z "$body_kind" ] || method=POST
fi
case $method in *[!A-Z]*) bad_argument "--method must be capital letters, not '$method'" ;; esac
if [ -n "$check" ]; then method=HEAD body_kind=''; fi

configure url "$url"
case $method in
    HEAD) config="${config}head$newline" ;;
    *) configure request "$method" ;;
esac
if [ -n "$body_kind" ]; then
    # Always from standard input: a value that starts with @ stays a value.
    configure data-binary @-
    case $content_type$body_kind in
        1json*) configure header 'Content-Type: application/json' ;;
        1form) configure header 'Content-Type: application/x-www-form-urlencoded' ;;
        1body) configure header 'Content-Type: text/plain; charset=utf-8' ;;
    esac
fi

answer=$(mktemp "${TMPDIR:-/tmp}/http.XXXXXXXXXX") || {
    echo 'UNKNOWN - no temporary file can be made for the answer'
    exit "$UNKNOWN"
}
# shellcheck disable=SC2317 # called by the trap
stopped() {
    printf 'CRITICAL - %s %s was cut off; what the server did with it is not known\n' "$method" "$url"
    exit "$CRITICAL"
}
# Without a name from here on, so that nothing is left behind, however this ends.
exec 4>"$answer"
exec 6<"$answer"
rm -f "$answer"
trap stopped TERM INT HUP

# curl ends with 23 when head has read enough; the exit code that counts comes with the report on fd 5.
report=$({
    printf '%s' "$body" | curl -q --config /dev/fd/3 --silent --globoff --path-as-is --noproxy '*' \
        --proto =http,https --max-redirs 0 --connect-timeout "$connect_timeout" --max-time "$timeout" \
        --user-agent selfservice-http \
        --write-out '%{stderr}%{exitcode} %{http_code} %{time_total} %{size_download} %{errormsg}\n' \
        3<<CONFIG 2>&5 | head -c $((max_body + 1)) >&4
$config
CONFIG
} 5>&1)
read -r curl_exit status seconds size message <<REPORT
$report
REPORT

answered="$status in $seconds s, $size bytes" truncated=''
# The failed write does not count in curl's size; what is kept tells a full limit from a full disk.
[ "$curl_exit" != 23 ] || size=$(stat -L -c %s /dev/fd/6)
if [ "$size" -gt "$max_body" ] 2>/dev/null; then
    truncated=1
    [ "$curl_exit" != 23 ] || curl_exit=0
    answered="$status in $seconds s, more than $max_body bytes"
fi

case $curl_exit in
    0) reason='' ;;
    5 | 6) reason='the name of the host could not be resolved' ;;
    7) reason='the connection was refused or the host is not reachable' ;;
    28) reason="no complete answer within the time-out ($connect_timeout s to connect, $timeout s in all)" ;;
    35 | 51 | 58 | 59 | 60 | 66 | 77 | 83 | 90 | 91) reason="TLS failed: $message" ;;
    52) reason='the server closed the connection without an answer' ;;
    127) reason='curl is not installed' ;;
    '' | *[!0-9]*) reason="curl could not be used: $report" ;;
    *) reason="no complete answer: ${message:-curl error $curl_exit}" ;;
esac
if [ -n "$reason" ]; then
    show "$reason"
    result_word "$trouble_code"
    printf '%s - %s %s: %s\n' "$word" "$method" "$url" "$shown"
    exit "$trouble_code"
fi

# judge_check: a server may refuse HEAD where it takes the real method, so only what it says about
# the credentials and about itself counts.
judge_check() {
    code=$OK
    case $status in
        401 | 403 | 407) code=$CRITICAL ;;
        501) ;;
        5*) code=$WARNING ;;
    esac
}

if [ -n "$check" ]; then
    judge_check
elif [ -n "$warning_status" ] && listed "$status" "$warning_status"; then
    code=$WARNING
elif listed "$status" "$expect"; then
    code=$OK
else
    code=$CRITICAL
fi

result_word "$code"
printf "%s - %s %s: %s | 'time'=%ss;;;0;%s 'size'=%sB;;;0; 'status'=%s\n" \
    "$word" "$method" "$url" "$answered" "$seconds" "$timeout" "$size" "$status"
if [ "$size" != 0 ] || [ "$method" = HEAD ]; then
    head -c "$max_body" <&6
    printf '\n'
fi
[ -z "$truncated" ] || printf '[the rest of the answer was left out after %s bytes]\n' "$max_body"
exit "$code"
