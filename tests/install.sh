#!/usr/bin/env bash
# Installs what the build and the tests need of the system: as root on Debian or Ubuntu; elsewhere it names what is missing.
set -euo pipefail

# A C compiler, cmake, perl and make build the vendored C libraries; Python and Node run the SDKs.
missing=()
for tool in cc cmake perl make python3 node npm; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
# Chromium looks at the console page; without one that test is skipped.
browser=
for name in "${LEVITY_CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do
  ! command -v "$name" >/dev/null || browser=$name
done
[ ${#missing[@]} = 0 ] && [ -n "$browser" ] && exit

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  [ -n "$browser" ] || echo "note: there is no chromium, so the browser test of the console will be skipped" >&2
  [ ${#missing[@]} = 0 ] && exit
  echo "error: the tests need ${missing[*]}" >&2
  echo "hint: install them with your system's packages, then run this again" >&2
  exit 1
fi
apt-get update -q || [ ${#missing[@]} = 0 ]
export DEBIAN_FRONTEND=noninteractive
[ ${#missing[@]} = 0 ] || apt-get install -qy build-essential cmake perl python3 python3-venv nodejs npm
# Ubuntu has no such package but a snap, which does not run everywhere.
[ -n "$browser" ] || apt-get install -qy chromium || echo "note: chromium cannot be installed, so the browser test of the console will be skipped" >&2
