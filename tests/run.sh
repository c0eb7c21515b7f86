#!/usr/bin/env bash
# Installs what the tests need, and runs them: the Rust tests, the real SDKs against the demo, and the console in a browser.
# Needs a Rust toolchain; the rest comes from the system's packages, PyPI and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/install.sh
if cargo nextest --version >/dev/null 2>&1; then
  INSTA_UPDATE=no cargo nextest run --locked --no-fail-fast
  cargo test --locked --doc --quiet
else
  INSTA_UPDATE=no cargo test --locked --no-fail-fast
fi
tests/sdk/run.sh
tests/browser/run.sh
