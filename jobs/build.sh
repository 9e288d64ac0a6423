#!/usr/bin/env bash
# Configures and builds one preset (default: release). Further arguments are targets.
set -euo pipefail
cd "$(dirname "$0")/.."
. jobs/site.sh
preset=${1:-release}
[ $# -gt 0 ] && shift
cmake --preset "$preset" -Wno-dev >/dev/null
cmake --build --preset "$preset" --parallel "$PIPESPEC_BUILD_JOBS" ${1:+--target "$@"}
