#!/usr/bin/env bash
# From a fresh clone to a result: installs the packages, builds, gets a small model, and decodes 13 real prompts
# with the target alone, with the synchronous chain and with the asynchronous pipeline. Safe to run again: what is done
# is not done twice, and a run that was cut off goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
. jobs/site.sh

jobs/install.sh
jobs/build.sh release pipespec
jobs/get_model.sh
exec jobs/launch.sh 3 build/release/pipespec run configs/quickstart.yaml
