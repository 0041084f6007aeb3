#!/bin/sh
# Stands for a command-line program: notes its call, and prints a link where one is asked for.
shift 2
printf '%s\n' "$(basename "$0") $*" >>calls
case $* in
    migrate) [ -e migrated ] || echo "applied 20261122000001" | tee migrated ;;
    "user link "*) echo "http://sign.in/here" ;;
esac
