#!/usr/bin/env bash
# Fills a folder with the seeds of every target, from our fixtures and, where LEVITY_SHARED is set, recorded traffic.
# Then: cargo +nightly fuzz run -s none parse_stream DIR/parse_stream -- -max_total_time=300
# (The code has no unsafe block, so the sanitizer would only be slower.)
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:?usage: fuzz/seed.sh DIR (outside of this repository)}
mkdir -p "$seeds"/{sse,json_members,parse_request,parse_response,parse_stream,translate,config,seal}

# add TARGET FILE PREFIX: the file behind the bytes that choose its dialect.
add() {
  local name
  name=$(printf '%s' "$2$3" | sha1sum | cut -c1-16)
  { printf '%s' "$3"; cat "$2"; } >"$seeds/$1/$name"
}

# dialect NUMBER FOLDER…: everything in the folders is this dialect's.
dialect() {
  local number=$1 file other
  shift
  while IFS= read -r -d '' file; do
    case $file in
      */meta.json) ;;
      *.sse)
        add sse "$file" 1
        for other in 0 1 2 3; do add parse_stream "$file" "$number$other"; done
        ;;
      *request*.json)
        add json_members "$file" ''
        add parse_request "$file" "$number"
        for other in 0 1 2 3; do add translate "$file" "$number$other"; done
        ;;
      *.json)
        add json_members "$file" ''
        add parse_response "$file" "$number"
        ;;
    esac
  done < <(find "$@" -type f -size -48k -print0 2>/dev/null)
}

corpus=${LEVITY_SHARED:-/nonexistent}/corpus
dialect 0 tests/fixtures/openai_chat "$corpus/openai-chat"
dialect 1 tests/fixtures/openai_responses "$corpus/openai-responses"
dialect 2 tests/fixtures/anthropic "$corpus/anthropic-messages"
dialect 3 tests/fixtures/gemini "$corpus/gemini-generate"
cp conf/levity.yaml "$seeds/config/"
printf 'a/b\nrs_1\nEqQBCkYIBxgCKkA=\n' >"$seeds/seal/fields"
printf 'call_1-lvs1-lvUBSg' >"$seeds/seal/id"
printf 'lvUBSgAAAAAAAAAA' >"$seeds/seal/text"
