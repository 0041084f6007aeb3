#!/bin/bash
# Tries "make run" and "make test" where nothing is installed: in a minimal Debian 12 made by debootstrap, from a
# clean clone of what is committed here, as root and as an ordinary user. Needs root, debootstrap and some 8 GB.
# The Rust toolchain is borrowed from the caller. No part of "make test".
#
# Usage: fresh_machine.sh [run|test|all] [root|user|both]
set -euo pipefail
. "$(dirname "$0")/lib.sh"
enter_checkout

what=${1:-all}
who=${2:-both}
home=${FRESH_MACHINE_HOME:-/var/tmp/selfservice-fresh-machine}
base=$home/base
root=$home/root
address_limit=1200

[ "$(id -u)" -eq 0 ] || fail "fresh_machine.sh needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || fail "debootstrap is missing; install the package debootstrap"

# Everything below happens in namespaces of its own: processes and mounts vanish with this script.
if [ -z "${FRESH_MACHINE_INSIDE:-}" ]; then
    FRESH_MACHINE_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
        "scripts/fresh_machine.sh" "$@"
fi

make_base() {
    [ -e "$base/.complete" ] && return
    say "Making a minimal Debian 12 in $base ..."
    rm -rf "$base"
    mkdir -p "$home"
    debootstrap --variant=minbase bookworm "$base" >"$home/debootstrap.log"
    touch "$base/.complete"
}

# How this machine reaches the packages, and the name servers, are taken over as they are.
copy_settings() {
    rm -f "$root/etc/apt/sources.list"
    cp -rT /etc/apt "$root/etc/apt"
    cp -rT /usr/share/keyrings "$root/usr/share/keyrings"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

mount_system() {
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
}

# The toolchain read-only; what cargo has downloaded as a copy, because cargo writes there.
lend_rust() {
    local rustup=${RUSTUP_HOME:-$HOME/.rustup} cargo=${CARGO_HOME:-$HOME/.cargo}
    mkdir -p "$root/opt/rustup" "$root/opt/rust-bin" "$root/opt/cargo"
    mount --bind -o ro "$rustup" "$root/opt/rustup"
    mount --bind -o ro "$cargo/bin" "$root/opt/rust-bin"
    if [ -d "$cargo/registry" ]; then
        cp -r --reflink=auto "$cargo/registry" "$root/opt/cargo/"
    fi
}

# Runs a command inside: inside USER COMMAND...
inside() {
    local user=$1
    shift
    chroot "$root" setpriv --reuid="$user" --regid="$user" --init-groups \
        env -i HOME="$(chroot "$root" getent passwd "$user" | cut -d: -f6)" USER="$user" LANG=C.UTF-8 \
        PATH=/opt/rust-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        RUSTUP_HOME=/opt/rustup RUSTUP_AUTO_INSTALL=0 CARGO_HOME=/opt/cargo "$@"
}

prepare() {
    say "Preparing a fresh machine for $1 ..."
    rm -rf "$root"
    cp -a --reflink=auto "$base" "$root"
    copy_settings
    mount_system
    lend_rust
    chroot "$root" useradd --create-home --shell /bin/bash dev
    # make is how the project is started, so it has to be there. A private directory, as mktemp makes it.
    inside root sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install make >/dev/null'
    install -d -m 700 "$root/srv/private"
    git clone --quiet --no-hardlinks . "$root/srv/private/checkout"
    chown -R "$(chroot "$root" id -u "$1"):$(chroot "$root" id -g "$1")" "$root/srv/private" "$root/opt/cargo"
}

unmount() {
    umount -R "$root/proc" "$root/dev" "$root/run" "$root/opt/rustup" "$root/opt/rust-bin"
    rm -rf "$root"
}

# An ordinary user without sudo must be told what is missing; then somebody installs it.
need_packages() {
    local purpose=$1
    if inside dev make -C /srv/private/checkout "$purpose" >"$home/refused.log" 2>&1; then
        fail "make $purpose as an ordinary user went on without the missing packages"
    fi
    grep -q 'sudo apt-get install' "$home/refused.log" || fail "no sentence names the packages: $(cat "$home/refused.log")"
    inside root sh /srv/private/checkout/scripts/install_packages.sh "$purpose"
}

check_no_services() {
    local cluster
    cluster=$(inside root sh -c 'ls /var/lib/postgresql/*/main 2>/dev/null || true')
    [ -z "$cluster" ] || fail "installing PostgreSQL made a cluster"
    [ ! -e "$root/usr/sbin/policy-rc.d" ] || fail "policy-rc.d was left behind"
}

# Waits for the printed address, asks it, and stops the system as Ctrl-C would.
run_once() {
    local user=$1 log=$home/run.log address waited=0 job
    inside "$user" make -C /srv/private/checkout run >"$log" 2>&1 &
    job=$!
    until address=$(sed -n 's/^ *Address: *//p' "$log") && [ -n "$address" ]; do
        kill -0 "$job" 2>/dev/null || fail "make run ended: $(tail -n 40 "$log")"
        [ "$((waited += 1))" -lt "$address_limit" ] || fail "no address after $address_limit s: $(tail -n 40 "$log")"
        sleep 1
    done
    curl -fsS "$address/health" >/dev/null || fail "$address/health does not answer"
    curl -fsS "$(sed -n 's/^ *Sign in: *//p' "$log")" >/dev/null || fail "the sign-in link does not answer"
    inside "$user" make -C /srv/private/checkout run >"$home/second.log" 2>&1 || fail "a second make run failed: $(cat "$home/second.log")"
    grep -q 'runs already' "$home/second.log" || fail "a second make run is not recognised: $(cat "$home/second.log")"
    # The job is a subshell of ours, whose only child has become make.
    pkill -TERM -P "$job" -x make
    wait "$job" || true
    grep -q 'Everything has stopped' "$log" || fail "not everything was stopped: $(tail -n 20 "$log")"
    say "make run as $user: works after $waited s"
}

try_as() {
    local user=$1
    prepare "$user"
    if [ "$what" != test ]; then
        [ "$user" = root ] || need_packages run
        run_once "$user"
        run_once "$user"
        check_no_services
    fi
    if [ "$what" != run ]; then
        [ "$user" = root ] || need_packages test
        SECONDS=0
        inside "$user" make -C /srv/private/checkout test >"$home/test-$user.log" 2>&1 ||
            fail "make test as $user failed: $(tail -n 60 "$home/test-$user.log")"
        say "make test as $user: green after $SECONDS s"
        check_no_services
    fi
    unmount
}

make_base
case $who in
    root) try_as root ;;
    user) try_as dev ;;
    both) try_as root && try_as dev ;;
    *) fail "usage: $0 [run|test|all] [root|user|both]" ;;
esac
