#!/bin/sh
# Installs the distribution's packages that are missing, saying which and why. Usage: install_packages.sh run|bench|test
set -eu
. "$(dirname "$0")/lib.sh"
enter_checkout

# Each need: package, why, and a command that succeeds where it is met (whoever met it).
needs_to_run() {
    need build-essential "the C linker that Rust uses" "command -v cc"
    need pkg-config "finds libpq" "command -v pkg-config"
    need libpq-dev "PostgreSQL's client library" "pkg-config --exists libpq"
    if [ -z "${DATABASE_URL:-}" ]; then
        need postgresql "a PostgreSQL server of our own" has_postgres
    fi
    need ca-certificates "the authorities that http.sh and jenkins.sh trust" "test -e /etc/ssl/certs/ca-certificates.crt"
    need openssh-client "plugins/ssh.sh" "command -v ssh"
    need curl "asks for pages where a script tries the system out" "command -v curl"
    need monitoring-plugins-basic "checks of the example inventory" "test -x /usr/lib/nagios/plugins/check_disk"
}

needs_to_bench() {
    needs_to_run
    need openssh-server "plugins/ssh.sh is tested against a real server" "test -x /usr/sbin/sshd"
}

needs_to_test() {
    needs_to_bench
    need mariadb-server "plugins/sql.sh is tested against a real server" "test -x /usr/sbin/mariadbd"
    need sudo "plugins/ssh.sh --sudo is tested with the real one" "command -v sudo"
    need ansible-core "plugins/ansible_playbook.py is tested with the real one" "command -v ansible-playbook"
    need influxdb "influxdata is tested against a real server" "test -x /usr/bin/influxd"
    need chromium "the browser test" "command -v chromium"
    need chromium-driver "the browser test" "command -v chromedriver"
    need fonts-dejavu-core "readable pages in the browser test" "test -d /usr/share/fonts/truetype/dejavu"
    need nginx-light "the service is tested behind a proxy" "test -x /usr/sbin/nginx"
    need shellcheck "checks the shell scripts" "command -v shellcheck"
    need node-typescript "checks the types of the JavaScript" "command -v tsc"
    need procps "tests look at processes" "command -v ps"
    need systemd "judges the units" "command -v systemd-analyze && command -v systemd-sysusers"
    need faketime "the fault tests set clocks" "command -v faketime"
}

has_postgres() {
    for directory in "${PG_BIN:-}" "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin /usr/bin /usr/local/bin; do
        if [ -x "$directory/initdb" ]; then
            return 0
        fi
    done
    return 1
}

need() {
    if ! (eval "$3") >/dev/null 2>&1; then
        missing="$missing $1"
        reasons="$reasons  $1: $2
"
    fi
}

# Runs a command as root: directly, or through sudo where that asks no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

can_be_root() {
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}

# Servers must not start, nor make clusters, on somebody's machine because we install their programs: for the
# time of the installation only, and nothing is changed that was there before.
POLICY=/usr/sbin/policy-rc.d
CLUSTERS=/etc/postgresql-common/createcluster.conf
own_policy=no
own_clusters=no

hold_services() {
    trap release_services EXIT
    trap 'exit 1' HUP INT TERM
    if [ ! -e "$POLICY" ]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod 755 "$POLICY"
    fi
}

hold_clusters() {
    apt install postgresql-common >/dev/null
    if ! grep -q '^ *create_main_cluster *= *false' "$CLUSTERS"; then
        own_clusters=yes
        as_root cp -p "$CLUSTERS" "$CLUSTERS.before-selfservice"
        printf 'create_main_cluster = false\n' | as_root tee -a "$CLUSTERS" >/dev/null
    fi
}

release_services() {
    if [ "$own_clusters" = yes ]; then
        as_root mv "$CLUSTERS.before-selfservice" "$CLUSTERS"
    fi
    if [ "$own_policy" = yes ]; then
        as_root rm -f "$POLICY"
    fi
}

missing=
reasons=
case ${1:-} in
    run) needs_to_run ;;
    bench) needs_to_bench ;;
    test) needs_to_test ;;
    *) fail "usage: $0 run|bench|test" ;;
esac
[ -n "$missing" ] || exit 0

say "Packages of the distribution that are missing:"
printf '%s' "$reasons"
command -v apt-get >/dev/null || fail "There is no apt-get here. Install what corresponds to:$missing"
can_be_root || fail "You are not root and sudo asks for a password. Run, then try again:
  sudo apt-get update && sudo apt-get install --no-install-recommends$missing"

say "Installing them ..."
hold_services
apt update || fail "apt-get update failed, so these packages could not be installed:$missing"
case $missing in *postgresql*) hold_clusters ;; esac
# shellcheck disable=SC2086 # one word for each package
apt install $missing >/dev/null || fail "apt-get could not install:$missing"

# Only the programs are wanted; without this the machine would offer their services after its next start.
keep_stopped() {
    case $missing in
        *"$1"*) as_root systemctl disable "$2" >/dev/null 2>&1 || true ;;
    esac
}
keep_stopped openssh-server ssh.service
keep_stopped nginx-light nginx.service
keep_stopped mariadb-server mariadb.service
keep_stopped influxdb influxdb.service
