#!/bin/sh
# "make install" and "make uninstall": puts the programs and what they need where an installed system has them.
#
# Usage: install.sh install|uninstall, with these in the environment:
#   PREFIX    the tree [/usr/local/manager]
#   LIBDIR    what systemd reads: systemd/system, sysusers.d and tmpfiles.d below it [/usr/local/lib]
#   DESTDIR   goes in front of both, for those who make packages [nothing]
#   PROGRAMS  a directory with programs as built; without it they are built for release here
#
# Files in etc/ belong to people: one that they have changed is never overwritten, what this version brings is put
# beside it as NAME.new. Where nothing is packed (DESTDIR is empty) and root installs, users and directories are made too.
set -eu
. "$(dirname "$0")/lib.sh"

SERVER_PROGRAMS="web_gui plugins_manager plugin_launcher schedulerd plugin_http plugin_jenkins plugin_sql"
TOOLS="tasks data_loader influxdata"
SAMPLE_PREFIX=/usr/local/manager
SOCKET=/run/selfservice/launcher.sock

PREFIX=${PREFIX:-$SAMPLE_PREFIX}
LIBDIR=${LIBDIR:-/usr/local/lib}
DESTDIR=${DESTDIR:-}
PROGRAMS=${PROGRAMS:-}
case $PREFIX$LIBDIR in
    *[!A-Za-z0-9/._-]*) fail "PREFIX and LIBDIR may have letters, digits and / . _ - only: settings and units name them" ;;
esac
case $PREFIX in /*[!/]) ;; *) fail "PREFIX must be an absolute path without a slash at its end, not '$PREFIX'" ;; esac
case $LIBDIR in /*[!/]) ;; *) fail "LIBDIR must be an absolute path without a slash at its end, not '$LIBDIR'" ;; esac
# A relative directory is meant from where the caller stands.
case $DESTDIR in '' | /*) ;; *) DESTDIR=$PWD/$DESTDIR ;; esac
case $PROGRAMS in '' | /*) ;; *) PROGRAMS=$PWD/$PROGRAMS ;; esac
enter_checkout

tree=$DESTDIR$PREFIX
lib=$DESTDIR$LIBDIR
# What each file of etc/ was when it was installed: "CHECKSUM  NAME" a line.
manifest=$tree/etc/.installed

checksum() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# installed_as NAME: the checksum that etc/NAME had when it was installed; nothing where it never was.
installed_as() {
    [ ! -e "$manifest" ] || awk -v name="$1" '$2 == name { print $1 }' "$manifest"
}

# put FILE TARGET MODE: in one step, so that a running program keeps its own.
put() {
    install -m "$3" "$1" "$2.unfinished"
    mv -f "$2.unfinished" "$2"
}

# Every sample with its place below etc/. What else stands there, such as a key, is somebody's own.
samples() {
    cat <<'END'
cron.d/selfservice
example/access.yaml
example/event_handlers.yaml
example/inventory.yaml
http.ini
macros.ini
settings.ini
sql/mysql_sessions.sql
sql/postgresql_sessions.sql
END
}

# rendered FILE: what is installed of a sample or a unit, whose paths are those of the usual prefix.
rendered() {
    sed -e "s|$SAMPLE_PREFIX|$PREFIX|g" "$1"
}

# The launcher of an installed system is a service of its own.
rendered_sample() {
    case $1 in
        settings.ini) rendered "etc/$1" | sed -e "s|^launcher_socket =\$|launcher_socket = $SOCKET|" ;;
        *) rendered "etc/$1" ;;
    esac
}

sample_mode() {
    case $1 in
        settings.ini | macros.ini) echo 640 ;;
        *) echo 644 ;;
    esac
}

install_sample() {
    name=$1
    target=$tree/etc/$name
    [ -d "$(dirname "$target")" ] || install -d -m 755 "$(dirname "$target")"
    rendered_sample "$name" >"$work/sample"
    new=$(checksum "$work/sample")
    if [ -e "$target" ]; then
        now=$(checksum "$target")
        if [ "$now" != "$new" ] && [ "$now" != "$(installed_as "$name")" ]; then
            put "$work/sample" "$target.new" "$(sample_mode "$name")"
            say "  kept $PREFIX/etc/$name, which somebody has changed; this version's is $name.new beside it"
            printf '%s  %s\n' "$(installed_as "$name")" "$name" >>"$work/manifest"
            return
        fi
        # Mode and owner may be somebody's choice.
        if [ "$now" != "$new" ]; then cat "$work/sample" >"$target"; fi
    else
        put "$work/sample" "$target" "$(sample_mode "$name")"
    fi
    rm -f "$target.new"
    printf '%s  %s\n' "$new" "$name" >>"$work/manifest"
}

install_programs() {
    install -d -m 755 "$tree" "$tree/bin" "$tree/sbin" "$tree/plugins"
    for program in $SERVER_PROGRAMS; do put "$PROGRAMS/$program" "$tree/sbin/$program" 755; done
    for program in $TOOLS; do put "$PROGRAMS/$program" "$tree/bin/$program" 755; done
    for plugin in plugins/*; do
        target=$tree/$plugin
        if [ -L "$plugin" ]; then
            ln -sfn "$(readlink "$plugin")" "$target"
        elif [ -x "$plugin" ]; then
            put "$plugin" "$target" 755
        else
            put "$plugin" "$target" 644
        fi
    done
    install -d -m 755 "$tree/www"
    printf '%s\n' "The pages, scripts and styles are inside of sbin/web_gui, which serves them itself." >"$work/www"
    put "$work/www" "$tree/www/README" 644
}

install_etc() {
    # Plugins pass through to what is theirs, and list nothing.
    [ -d "$tree/etc" ] || install -d -m 751 "$tree/etc"
    [ -d "$tree/etc/ssh" ] || install -d -m 750 "$tree/etc/ssh"
    : >"$work/manifest"
    for sample in $(samples); do install_sample "$sample"; done
    put "$work/manifest" "$manifest" 644
}

install_var() {
    install -d -m 755 "$tree/var"
    for name in log work; do [ -d "$tree/var/$name" ] || install -d -m 750 "$tree/var/$name"; done
    for name in spool backup; do [ -d "$tree/var/$name" ] || install -d -m 700 "$tree/var/$name"; done
}

# Files of systemd/.
system_files() {
    (cd systemd && find . -type f | sed 's|^\./||' | LC_ALL=C sort)
}

# system_target FILE: where a file of systemd/ is installed.
system_target() {
    case $1 in
        system/*) echo "$lib/systemd/$1" ;;
        *) echo "$lib/$1" ;;
    esac
}

install_system() {
    for name in $(system_files); do
        target=$(system_target "$name")
        install -d -m 755 "$(dirname "$target")"
        rendered "systemd/$name" >"$work/file"
        put "$work/file" "$target" 644
    done
}

# Users and the rights of directories. Whoever packs leaves that to the machine on which the package is unpacked.
settle() {
    if [ "$(id -u)" -ne 0 ]; then
        say "You are not root, so everything belongs to you and no users were made."
        return
    fi
    if command -v systemd-sysusers >/dev/null && command -v systemd-tmpfiles >/dev/null; then
        systemd-sysusers "$lib/sysusers.d/selfservice.conf"
        systemd-tmpfiles --create "$lib/tmpfiles.d/selfservice.conf"
        # Without systemd as the first process there is nobody to tell.
        if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    else
        say "There is no systemd-sysusers here. Make the users and rights that $LIBDIR/sysusers.d/selfservice.conf and"
        say "$LIBDIR/tmpfiles.d/selfservice.conf name, then go on."
    fi
    say "Next: make the database, then '$PREFIX/bin/tasks migrate' and 'systemctl enable --now selfservice.target';"
    say "docs/INSTALL.md tells each step."
}

do_install() {
    if [ -z "$PROGRAMS" ]; then
        . scripts/check_rust.sh
        cargo build --locked --release --workspace --bins
        PROGRAMS=$PWD/target/release
    fi
    for program in $SERVER_PROGRAMS $TOOLS; do
        [ -x "$PROGRAMS/$program" ] || fail "$PROGRAMS/$program is missing: build all programs first (cargo build --release --workspace --bins)"
    done
    say "Installing into $tree ..."
    install_programs
    install_etc
    install_var
    install_system
    [ -n "$DESTDIR" ] || settle
}

# Removes what was installed. What people wrote stays: changed files in etc/, keys, logs, spooled results, backups.
do_uninstall() {
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ] && systemctl is-active --quiet selfservice.target; then
        fail "The services run. Stop them first: systemctl disable --now selfservice.target"
    fi
    for program in $SERVER_PROGRAMS; do rm -f "$tree/sbin/$program"; done
    for program in $TOOLS; do rm -f "$tree/bin/$program"; done
    for plugin in plugins/*; do rm -f "$tree/$plugin"; done
    rm -f "$tree/www/README"
    for name in $(system_files); do rm -f "$(system_target "$name")"; done
    for name in $(samples); do
        if [ -e "$tree/etc/$name" ] && [ "$(checksum "$tree/etc/$name")" = "$(installed_as "$name")" ]; then
            rm -f "$tree/etc/$name"
        fi
        rm -f "$tree/etc/$name.new"
    done
    rm -f "$manifest"
    for directory in "$lib"/systemd/system/selfservice-*.service.d; do remove_empty "$directory"; done
    for name in bin sbin plugins www etc var; do
        [ ! -d "$tree/$name" ] || find "$tree/$name" -depth -type d -exec rmdir --ignore-fail-on-non-empty {} +
    done
    remove_empty "$tree"
    if [ -d "$tree" ]; then say "Kept what is not ours to remove: $(find "$tree" -type f | wc -l) files below $tree"; fi
}

remove_empty() {
    [ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty "$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
umask 022
case ${1:-} in
    install) do_install ;;
    uninstall) do_uninstall ;;
    *) fail "usage: $0 install|uninstall" ;;
esac
