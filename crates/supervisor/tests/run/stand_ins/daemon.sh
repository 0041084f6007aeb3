#!/bin/sh
# Stands for a daemon: makes the socket that it was told about, and runs until TERM. It notes how it ended.
name=$(basename "$0")
while [ $# -gt 0 ]; do
    case $1 in --socket) : >"$2" ;; esac
    shift
done
trap 'echo "$name" >>stopped; exit 0' TERM
while :; do
    sleep 0.05
done
