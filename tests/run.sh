#!/usr/bin/env bash
# Installs the packages, builds and passes the tests. usage: tests/run.sh [ctest arguments]
# Without arguments: the groups unit, mpi and regression in the release build, and most unit tests again under
# AddressSanitizer and UBSan. All of them there: jobs/build.sh asan && ctest --preset asan -L unit (half an hour).
set -euo pipefail
cd "$(dirname "$0")/.."
. jobs/site.sh

jobs/install.sh
jobs/build.sh release
jobs/get_model.sh || echo "tests/run.sh: the tests that need the model are skipped" >&2
if [ $# -gt 0 ]; then
  exec ctest --preset release --parallel "$(nproc)" "$@"
fi
ctest --preset release --parallel "$(nproc)" --label-exclude slow
jobs/build.sh asan light_unit_tests
ctest --preset asan --parallel "$(nproc)" --label-regex unit --label-exclude heavy
