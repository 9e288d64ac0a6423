#!/usr/bin/env bash
# usage: launch.sh RANKS COMMAND…
# Runs a command under mpirun, so that a signal stops it in order: Open MPI's mpirun answers SIGTERM and SIGINT by ending
# with status 1 whatever the ranks say, but it passes SIGUSR1 on, and then the ranks' own exit status (75) comes back.
set -uo pipefail
. "$(dirname "$0")/site.sh"

ranks=$1
shift
[ -t 2 ] && export PIPESPEC_TERMINAL=1  # the ranks see a pipe to mpirun
setsid $PIPESPEC_MPIRUN -n "$ranks" "$@" &  # a session of its own: what a terminal or `timeout` sends to the group stays here
job=$!
trap 'kill -USR1 "$job" 2>/dev/null' TERM INT USR1
while :; do
  wait "$job"
  status=$?
  kill -0 "$job" 2>/dev/null || break  # a signal ends the wait, not the job
done
wait "$job" 2>/dev/null  # the job may have ended while a signal was being answered: its status is remembered
last=$?
[ "$last" = 127 ] || status=$last
if [ "$status" -gt 128 ]; then
  echo "pipespec: a rank was ended by signal $(kill -l "$status"): run the same command to go on" >&2
fi
exit "$status"
