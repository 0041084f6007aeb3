#!/bin/bash
# "make image": builds the image of docker/Dockerfile without a Docker engine, starts its programs as docker/compose.yml
# does, and walks the main flow inside: tables, example, an action run to its OK, a cancel, the pages.
#
# Needs root, buildah, debootstrap and 5 GB below IMAGE_HOME [/var/cache/selfservice-image], of which the minimal Debian is
# kept for the next time. PROGRAMS names a directory with programs as built; without it a release is built.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
enter_checkout

home=${IMAGE_HOME:-/var/cache/selfservice-image}
base=$home/base
store=$home/store
state=$home/state
tag=localhost/selfservice:check
port=${IMAGE_PORT:-18080}
VOLUMES=(usr/local/manager/etc usr/local/manager/var run/selfservice)

[ "$(id -u)" -eq 0 ] || fail "image.sh needs root, for debootstrap and buildah"
for program in buildah debootstrap; do
    command -v "$program" >/dev/null || fail "$program is missing; install the package $program"
done

# Everything below happens in namespaces of its own: processes and mounts vanish with this script.
if [ -z "${IMAGE_INSIDE:-}" ]; then
    IMAGE_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private "scripts/image.sh" "$@"
fi

builder() {
    buildah --root "$store" --runroot "$home/run" --storage-driver vfs "$@"
}

# The engine that would fetch Debian's image is not here, so one like it is made.
make_base() {
    if [ ! -e "$base/.complete" ]; then
        say "Making a minimal Debian 12 in $base ..."
        rm -rf "$base"
        mkdir -p "$home"
        debootstrap --variant=minbase bookworm "$base" >"$home/debootstrap.log"
        touch "$base/.complete"
    fi
    # How this machine reaches the packages.
    rm -f "$base/etc/apt/sources.list"
    cp -rT /etc/apt "$base/etc/apt"
    cp -rT /usr/share/keyrings "$base/usr/share/keyrings"
    tar -C "$base" -cf "$home/base.tar" --exclude=./var/cache/apt/archives/*.deb .
    printf 'FROM scratch\nADD base.tar /\n' >"$home/Base"
    builder bud --isolation chroot -q -f "$home/Base" -t docker.io/library/debian:bookworm-slim "$home" >/dev/null
    rm -f "$home/base.tar"
}

build_image() {
    say "Installing the programs ..."
    rm -rf "$home/tree"
    make --silent install DESTDIR="$home/tree"
    say "Building the image ..."
    # The stages that compile are left out: the tree that they would make is given.
    builder bud --isolation chroot --pull-never --network host --build-context "tree=$home/tree" \
        -f docker/Dockerfile -t "$tag" "$home/tree" >"$home/build.log" 2>&1 || fail "$(tail -n 30 "$home/build.log")"
    rm -rf "$home/tree"
    say "The image has $(builder images --format '{{.Size}}' "$tag")."
}

# A server of this machine in the place of the service "db", with a password as there.
start_database() {
    bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | tail -n 1)
    install -d -o postgres -g postgres -m 700 "$state/db"
    printf 'in-this-test-only\n' >"$state/password"
    chmod 644 "$state/password"
    as_postgres "$bin/initdb" -D "$state/db" -U selfservice --pwfile="$state/password" -A scram-sha-256 -E UTF8 \
        --locale=C.UTF-8 --no-sync >"$state/initdb.log"
    as_postgres "$bin/pg_ctl" -D "$state/db" -w -l "$state/db/log" \
        -o "-c listen_addresses=127.0.0.1 -p $((port + 1)) -c unix_socket_directories=''" start >/dev/null
    PGPASSWORD=in-this-test-only "$bin/createdb" -h 127.0.0.1 -p $((port + 1)) -U selfservice selfservice
    database=postgres://selfservice:in-this-test-only@127.0.0.1:$((port + 1))/selfservice
}

as_postgres() {
    (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
}

# make_container SERVICE: on the network of this machine. Volumes are directories that all of them share.
make_container() {
    local volume removed=()
    containers[$1]=$(builder from --pull-never "$tag")
    # buildah would sometimes mount the image's own volumes over the ones that are given.
    for volume in "${VOLUMES[@]}"; do removed+=(--volume "/$volume-"); done
    builder config "${removed[@]}" "${containers[$1]}"
}

make_volumes() {
    local root volume
    root=$(builder mount "${containers[tools]}")
    for volume in "${VOLUMES[@]}"; do
        mkdir -p "$state/volumes/$volume"
        cp -aT "$root/$volume" "$state/volumes/$volume"
        volumes+=(-v "$state/volumes/$volume:/$volume")
    done
    sed -i "s|^listen = .*|listen = 127.0.0.1:$port|; s|^public_url = .*|public_url = http://127.0.0.1:$port|" \
        "$state/volumes/usr/local/manager/etc/settings.ini"
    sed -i "s|8080|$port|" "$state/volumes/usr/local/manager/etc/macros.ini"
}

# in_service SERVICE USER COMMAND...: as compose.yml does, only the launcher is not told where the database is.
in_service() {
    local service=$1 user=$2 told=()
    shift 2
    [ "$service" = launcher ] || told=(--env "DATABASE_URL=$database")
    builder run --isolation chroot --network host --user "$user" "${volumes[@]}" "${told[@]}" \
        "${containers[$service]}" -- "$@"
}

inside() {
    in_service tools selfservice "$@"
}

# The launcher's command comes from compose.yml, so that what is tried is what is shipped.
launcher_options() {
    sed -n '/^  launcher:/,/^    volumes:/s/^      - \(--.*\)/\1/p' docker/compose.yml
}

start_services() {
    local options
    mapfile -t options < <(launcher_options)
    inside tasks migrate
    in_service launcher selfservice-plugin plugin_launcher "${options[@]}" >"$state/launcher.log" 2>&1 &
    # A manager ends where it finds no launcher, and whoever supervises it starts it again.
    wait_for "the launcher" test -S "$state/volumes/run/selfservice/launcher.sock"
    in_service manager selfservice plugins_manager >"$state/manager.log" 2>&1 &
    in_service scheduler selfservice schedulerd >"$state/scheduler.log" 2>&1 &
    in_service web selfservice web_gui >"$state/web.log" 2>&1 &
    wait_for "the pages" curl -fsS -o /dev/null "$url/health"
}

wait_for() {
    local what=$1 tries=0
    shift
    until "$@" 2>/dev/null; do
        [ "$((tries += 1))" -lt 240 ] || fail "$what: not after 120 s. $(tail -n 20 "$state"/*.log)"
        sleep 0.5
    done
}

# api METHOD PATH [BODY]
api() {
    curl -fsS -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' ${3:+--data "$3"} "$url/api/v1/$2"
}

# field NAME...: of the JSON object on standard input, going deeper with each name.
field() {
    python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]: value = value[name]
print(value)' "$@"
}

is_in_state() {
    [ "$(api GET "tasks/$task" | field state)" = "$1" ]
}

# ask HOST SERVICE HANDLER PARAMETERS: leaves the new task's id in $task.
ask() {
    local ids host service handler
    ids=$(sql "SELECT h.id || ' ' || s.id || ' ' || e.id FROM hosts h, services s, event_handlers e
        WHERE h.name = '$1' AND s.name = '$2' AND e.name = '$3'")
    read -r host service handler <<<"$ids"
    task=$(api POST tasks "{\"host_id\":$host,\"service_id\":$service,\"handler_id\":$handler,\"parameters\":$4,
        \"request_key\":\"$(cat /proc/sys/kernel/random/uuid)\"}" | field task id)
}

expect() {
    local result
    wait_for "the end of $task" is_in_state finished
    result=$(api GET "tasks/$task" | field result)
    [ "$result" = "$1" ] || fail "the task ended as $result, not as $1: $(api GET "tasks/$task/log/raw")"
}

walk() {
    url=http://127.0.0.1:$port
    start_services
    inside sh -c 'data_loader apply /usr/local/manager/etc/example/*.yaml' >"$state/load.log"
    inside tasks user add admin --admin
    token=$(inside tasks token add admin --name image --verb run --days 1 2>"$state/token.log")
    wait_for "a manager" has_manager
    say "An action with steps:"
    ask worker-staging-01 "Nightly job" "Run with steps" '{"seconds":"2"}'
    expect ok
    api GET "tasks/$task/log/raw"
    say "One of the programs behind the plugins, and a check of the monitoring plugins:"
    ask web-staging-01 "Self Service Manager" "Call the health page" '{}'
    expect ok
    api GET "tasks/$task/log/raw"
    ask web-staging-01 "Self Service Manager" "Check HTTP" '{}'
    expect ok
    api GET "tasks/$task/log/raw"
    say "A cancel:"
    ask worker-staging-01 "Nightly job" "Run with steps" '{"seconds":"600"}'
    wait_for "the start of $task" is_in_state running
    api POST "tasks/$task/cancel" "{}" >/dev/null
    expect cancelled
    api GET "tasks/$task/log/raw"
    curl -fsS "$url/signin" | grep -q '<form' || fail "there is no page to sign in"
    inside tasks check-config
    say "The image works: tables, example, action, cancel, pages."
}

has_manager() {
    [ "$(sql 'SELECT count(*) FROM workers WHERE alive_until > now()')" = 1 ]
}

sql() {
    psql "$database" -AtX -c "$1"
}

clean_up() {
    local status=$?
    [ -z "${bin:-}" ] || as_postgres "$bin/pg_ctl" -D "$state/db" -m immediate stop >/dev/null 2>&1 || true
    # The services end with this script's namespace; the store is rebuilt in a minute.
    builder umount --all >/dev/null 2>&1 || true
    rm -rf "$store" "$home/run" "$state" "$home/tree"
    exit "$status"
}

volumes=()
declare -A containers
private_directory "$home"
rm -rf "$store" "$home/run" "$state"
mkdir -p "$state"
chmod 755 "$home" "$state"
trap clean_up EXIT
make_base
build_image
start_database
for service in tools launcher manager scheduler web; do make_container "$service"; done
make_volumes
walk
