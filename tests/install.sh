#!/usr/bin/env bash
# Installs what the build and the tests need of the system: as root on Debian or Ubuntu; elsewhere it names what is missing.
set -euo pipefail

# A C compiler, cmake, perl and make build the vendored C libraries; Python and Node run the SDKs.
missing=()
for tool in cc cmake perl make python3 node npm; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} = 0 ] && exit
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "error: the tests need ${missing[*]}" >&2
  echo "hint: install them with your system's packages, then run this again" >&2
  exit 1
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy build-essential cmake perl python3 python3-venv nodejs npm
