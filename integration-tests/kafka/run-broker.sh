#!/bin/sh
# Runs a broker for as long as whoever started this script lives.
#
#   run-broker.sh DIRECTORY COMMAND...
#
# Prints the broker's pid, then waits on standard input: `term` and `kill` stop the broker and keep its directory (for a restart);
# the end of input, which also comes when the test process is killed, stops it and removes the directory.
directory=$1
shift
"$@" >>"$directory/server.out" 2>&1 &
pid=$!
echo "$pid"
read -r command || command=remove
case $command in
    term) kill -TERM "$pid" ;;
    *) kill -KILL "$pid" ;;
esac 2>/dev/null
wait "$pid" 2>/dev/null
[ "$command" != remove ] || rm -rf "$directory"
