#!/usr/bin/env bash
# The real SDKs from PyPI and npm against `levity run --demo`, and the README's examples as printed.
# Installs what it needs under target/sdk (or $LEVITY_SDK_DIR). $LEVITY_BIN names the binary; without it, a debug build is made.
# Last line: `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
installed=${LEVITY_SDK_DIR:-$root/target/sdk}
mkdir -p "$installed"
installed=$(cd "$installed" && pwd)
key=sk-sdk-tests-0123456789
work=$(mktemp -d)
gateways=()

finish() {
  for gateway in "${gateways[@]}"; do kill "$gateway" 2>/dev/null && wait "$gateway" || true; done
  rm -rf "$work"
}
trap finish EXIT

# One copy of the list of packages is kept beside what was installed from it: the same list is not installed twice.
install_python() {
  cmp -s "$here/requirements.txt" "$installed/requirements.txt" && return
  if ! python3 -m venv --clear "$installed/python" >"$work/install.log" 2>&1; then
    # Debian keeps venv in a package of its own.
    { apt-get update && apt-get install -y python3-venv && python3 -m venv --clear "$installed/python"; } >>"$work/install.log" 2>&1 || fail_install
  fi
  "$installed/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >>"$work/install.log" 2>&1 || fail_install
  cp "$here/requirements.txt" "$installed/requirements.txt"
}

install_javascript() {
  cmp -s "$here/package.json" "$installed/javascript/installed.json" && return
  rm -rf "$installed/javascript"
  mkdir -p "$installed/javascript"
  cp "$here/package.json" "$installed/javascript/"
  npm install --prefix "$installed/javascript" --no-audit --no-fund --no-package-lock --loglevel=error >"$work/install.log" 2>&1 || fail_install
  cp "$here/package.json" "$installed/javascript/installed.json"
}

fail_install() {
  cat "$work/install.log" >&2
  echo "error: cannot install the SDKs" >&2
  exit 1
}

# Starts a gateway in a home of its own and waits for its URL, which is left in $url.
start() {
  local name=$1 home=$work/$1
  shift
  mkdir -p "$home"
  (cd "$home" && exec env -i HOME="$home" PATH="$PATH" LEVITY_CONSOLE_ENABLED=false "$levity" run --demo "$@") >"$work/$name.out" 2>"$work/$name.err" &
  gateways+=($!)
  for _ in $(seq 200); do
    url=$(grep -om1 'http://127\.0\.0\.1:[0-9]*' "$work/$name.out" || true)
    [ -n "$url" ] && return
    kill -0 "${gateways[-1]}" 2>/dev/null || break
    sleep 0.05
  done
  cat "$work/$name.out" "$work/$name.err" >&2
  echo "error: the gateway did not start" >&2
  exit 1
}

# Says each result as it comes; what stands on standard error is shown only where something failed.
try() {
  local name=$1
  shift
  if "$@" >"$work/$name.results" 2>"$work/$name.detail"; then
    cat "$work/$name.results"
  else
    cat "$work/$name.results"
    # A script that died before its first case is a failure too.
    grep -q '^FAIL' "$work/$name.results" || echo "FAIL $name: it ended before it had an answer" | tee -a "$work/$name.results"
    sed 's/^/     /' "$work/$name.detail" | tail -40
  fi
}

free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

install_python
install_javascript
if [ -z "${LEVITY_BIN:-}" ]; then
  (cd "$root" && cargo build --quiet --bin levity)
  LEVITY_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/levity
fi
levity=$(readlink -f "$LEVITY_BIN")

echo "proxy: { port: 0, auth_mode: strict, api_key: $key }" >"$work/levity.yaml"
start guarded --config "$work/levity.yaml"
export LEVITY_URL=$url LEVITY_KEY=$key PYTHONDONTWRITEBYTECODE=1
cp "$here"/*.mjs "$installed/javascript/"
for script in "$here"/*_sdk.py; do
  try "$(basename "$script" .py)_python" "$installed/python/bin/python" "$script"
done
for script in "$installed"/javascript/*_sdk.mjs; do
  try "$(basename "$script" .mjs)_javascript" node "$script"
done

if free 8045; then start open --port 8045; else start open --port 0; fi
try readme "$installed/python/bin/python" "$here/readme.py" "$root/README.md" "${url##*:}"

passed=$(cat "$work"/*.results | grep -c '^PASS' || true)
failed=$(cat "$work"/*.results | grep -c '^FAIL' || true)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
