#!/usr/bin/env bash
# Installs the Debian packages of jobs/packages.txt that are missing. With all of them present it runs no installer.
# Works as root and as a user with sudo. On another distribution it names what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=$(grep -v '^#' jobs/packages.txt | grep .)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  missing=()
  for tool in g++ cmake ninja git pkg-config mpirun python3; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "pipespec: this is not a Debian system, and these programs are missing: ${missing[*]}" >&2
  fi
  echo "pipespec: install what these Debian packages hold, then run this again with PIPESPEC_SKIP_INSTALL=1:" >&2
  echo "$wanted" | tr '\n' ' ' >&2
  echo >&2
  [ "${PIPESPEC_SKIP_INSTALL:-0}" = 1 ] && [ ${#missing[@]} -eq 0 ] && exit 0
  exit 1
fi

missing=()
for package in $wanted; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "${PIPESPEC_SKIP_INSTALL:-0}" = 1 ]; then
  echo "pipespec: these packages are missing, and PIPESPEC_SKIP_INSTALL=1 forbids installing them: ${missing[*]}" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "pipespec: these packages are missing: ${missing[*]}" >&2
    echo "pipespec: run as root or with sudo: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
