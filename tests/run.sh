#!/usr/bin/env bash
# Installs what the tests need, and runs them: the Rust tests, then the real SDKs against the demo.
# Needs a Rust toolchain; the rest comes from the system's packages, PyPI and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

# A C compiler, cmake, perl and make build the vendored C libraries; Python and Node run the SDKs.
need() {
  local missing=()
  for tool in cc cmake perl make python3 node npm; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] && return
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "error: the tests need ${missing[*]}" >&2
    echo "hint: install them with your system's packages, then run this again" >&2
    exit 1
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy build-essential cmake perl python3 python3-venv nodejs npm
}

need
if cargo nextest --version >/dev/null 2>&1; then
  INSTA_UPDATE=no cargo nextest run --locked --no-fail-fast
  cargo test --locked --doc --quiet
else
  INSTA_UPDATE=no cargo test --locked --no-fail-fast
fi
tests/sdk/run.sh
