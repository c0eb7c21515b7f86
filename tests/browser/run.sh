#!/usr/bin/env bash
# The console page in a real browser, against `levity run --demo`: the lesson of a first-time owner, and axe on every page.
# Installs what it needs under target/browser (or $LEVITY_BROWSER_DIR), and leaves screenshots of every page there.
# $LEVITY_BIN names the binary; without it, a debug build is made. $LEVITY_CHROMIUM names the browser.
# Last line: `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# Without a browser there is nothing to test it with: said, and not counted as a failure.
for name in "${LEVITY_CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do
  LEVITY_CHROMIUM=$(command -v "$name" || true)
  [ -z "$LEVITY_CHROMIUM" ] || break
done
if [ -z "$LEVITY_CHROMIUM" ]; then
  echo "skipped: there is no Chromium here; install it (Debian's package is chromium), or name it in LEVITY_CHROMIUM"
  exit
fi

installed=${LEVITY_BROWSER_DIR:-$root/target/browser}
mkdir -p "$installed"
installed=$(cd "$installed" && pwd)
work=$(mktemp -d)
gateway=

finish() {
  [ -z "$gateway" ] || { kill "$gateway" 2>/dev/null && wait "$gateway" || true; }
  rm -rf "$work"
}
trap finish EXIT

# The list that was installed is kept beside what came of it: the same is not installed twice.
install_javascript() {
  cmp -s "$here/package-lock.json" "$installed/installed.json" && return
  cp "$here/package.json" "$here/package-lock.json" "$installed/"
  if ! npm ci --prefix "$installed" --no-audit --no-fund --loglevel=error >"$work/install.log" 2>&1; then
    cat "$work/install.log" >&2
    echo "error: cannot install playwright-core, axe-core and the OpenAI SDK" >&2
    exit 1
  fi
  cp "$here/package-lock.json" "$installed/installed.json"
}

# Starts the gateway in a home of its own; leaves the console's address in $console. The proxy's port is one that is free
# now: with port 0 it would be another after each start.
start() {
  mkdir -p "$work/home"
  port=$(node -e 'const server = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(server.address().port); server.close(); })')
  : >"$work/out"
  printf '%s\n' "proxy: { port: $port }" "console: { port: 0 }" >"$work/home/levity.yaml"
  (cd "$work/home" && exec env -i HOME="$work/home" PATH="$PATH" "$levity" run --demo --config levity.yaml) >"$work/out" 2>"$work/err" &
  gateway=$!
  for _ in $(seq 200); do
    console=$(sed -n 's/^ *console  *\(http:[^# ]*\).*/\1/p' "$work/out")
    token=$work/home/.local/state/levity/console.token
    [ -n "$console" ] && [ -s "$token" ] && return
    kill -0 "$gateway" 2>/dev/null || break
    sleep 0.05
  done
  cat "$work/out" "$work/err" >&2
  echo "error: the gateway did not start its console" >&2
  exit 1
}

install_javascript
if [ -z "${LEVITY_BIN:-}" ]; then
  (cd "$root" && cargo build --quiet --bin levity)
  LEVITY_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/levity
fi
levity=$(readlink -f "$LEVITY_BIN")
start

cp "$here"/*.mjs "$installed/"
rm -rf "$installed/screenshots"
export LEVITY_CHROMIUM LEVITY_CONSOLE=$console LEVITY_TOKEN LEVITY_SHOTS=$installed/screenshots
LEVITY_TOKEN=$(cat "$token")
timeout 600 node "$installed/run.mjs" >"$work/results" 2>"$work/detail" || true
cat "$work/results"
if grep -q '^FAIL' "$work/results" || ! grep -q '^PASS' "$work/results"; then
  sed 's/^/     /' "$work/detail" | tail -80
  tail -20 "$work/err"
fi
kill -0 "$gateway" || echo "FAIL the gateway is still there at the end" | tee -a "$work/results"

passed=$(grep -c '^PASS' "$work/results" || true)
failed=$(grep -c '^FAIL' "$work/results" || true)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
