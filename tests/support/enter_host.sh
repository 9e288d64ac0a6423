#!/bin/sh
# usage: enter_host.sh PROCESSES ADDRESS COMMAND…
# To mpirun what ssh is: runs a command on a host of network.py. PROCESSES: of the hosts, that of 10.77.0.1 first.
process=$(echo "$1" | cut -d, -f"${2##*.}")
shift 2
exec nsenter --target "$process" --net --uts sh -c "$*"
