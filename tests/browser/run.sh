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
  echo "0 passed, 0 failed"
  exit
fi

installed=${LEVITY_BROWSER_DIR:-$root/target/browser}
mkdir -p "$installed"
installed=$(cd "$installed" && pwd)
work=$(mktemp -d)
gateways=()

finish() {
  for gateway in "${gateways[@]}"; do kill "$gateway" 2>/dev/null && wait "$gateway" || true; done
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

# Starts a gateway in a home of its own, with what its config says of accounts; leaves its console's address in $console and
# the token in $token. The proxy's port is one that is free now: with port 0 it would be another after each start.
start() {
  local name=$1 accounts=$2 home=$work/$1 port
  shift 2
  mkdir -p "$home"
  port=$(node -e 'const server = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(server.address().port); server.close(); })')
  printf '%s\n' "proxy: { port: $port }" "console: { port: 0 }" "$accounts" >"$home/levity.yaml"
  : >"$work/$name.out"
  (cd "$home" && exec env -i HOME="$home" PATH="$PATH" "$levity" run --config levity.yaml "$@") >"$work/$name.out" 2>"$work/$name.err" &
  gateways+=($!)
  for _ in $(seq 200); do
    console=$(sed -n 's/^ *console  *\(http:[^# ]*\).*/\1/p' "$work/$name.out")
    token=$(cat "$home/.local/state/levity/console.token" 2>/dev/null || true)
    [ -n "$console" ] && [ -n "$token" ] && return
    kill -0 "${gateways[-1]}" 2>/dev/null || break
    sleep 0.05
  done
  cat "$work/$name.out" "$work/$name.err" >&2
  echo "error: the gateway did not start its console" >&2
  exit 1
}

install_javascript
if [ -z "${LEVITY_BIN:-}" ]; then
  (cd "$root" && cargo build --quiet --bin levity)
  LEVITY_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/levity
fi
levity=$(readlink -f "$LEVITY_BIN")

start lonely 'accounts: [{ name: own, provider: custom, dialect: openai_chat, base_url: "http://127.0.0.1:9/v1" }]'
export LEVITY_LONELY=$console LEVITY_LONELY_TOKEN=$token
start demo "" --demo
export LEVITY_CHROMIUM LEVITY_CONSOLE=$console LEVITY_TOKEN=$token LEVITY_SHOTS=$installed/screenshots

cp "$here"/*.mjs "$installed/"
rm -rf "$installed/screenshots"
# A run that dies before its end is a failure too.
timeout 600 node "$installed/run.mjs" >"$work/results" 2>"$work/detail" ||
  grep -q '^FAIL' "$work/results" || echo "FAIL the run ended before its time" >>"$work/results"
cat "$work/results"
if grep -q '^FAIL' "$work/results"; then
  sed 's/^/     /' "$work/detail" | tail -80
  tail -20 "$work"/*.err
fi
for gateway in "${gateways[@]}"; do
  kill -0 "$gateway" 2>/dev/null || echo "FAIL a gateway is gone at the end" | tee -a "$work/results"
done

passed=$(grep -c '^PASS' "$work/results" || true)
failed=$(grep -c '^FAIL' "$work/results" || true)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
