#!/usr/bin/env bash
# The tools through the MCP Inspector's command line, in both eras of the protocol: they are listed
# with strict schemas, check_baseline answers, and a verdict without a baseline is an error (exit code 5).
set -euo pipefail
cd "$(dirname "$0")/.."

INSPECTOR=${INSPECTOR:-@modelcontextprotocol/inspector@2.12.0}
REFUSED=5

if ! command -v npx >/dev/null; then
  echo "The Inspector needs Node.js 20 or newer with npx, and none was found: https://nodejs.org" >&2
  exit 1
fi

project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
touch "$project/train_llm.py"

inspect() {
  local era=$1
  shift
  npx --yes "$INSPECTOR" --cli "$PWD/.venv/bin/seedproof" serve --project "$project" --protocol-era "$era" "$@"
}

expect() {
  local wanted=$1 what=$2 log="$project/inspector.log" code=0
  shift 2
  "$@" >"$log" 2>&1 || code=$?
  if [ "$code" != "$wanted" ]; then
    echo "$what: exit code $code instead of $wanted" >&2
    cat "$log" >&2
    exit 1
  fi
}

for era in legacy modern; do
  expect 0 "$era: tools/list" inspect "$era" --method tools/list --strict
  names=$(sed -n 's/^      "name": "\([a-z_]*\)",$/\1/p' "$project/inspector.log" | paste -sd' ')
  if [ "$names" != "check_baseline run_seed compare write_report list_experiments stop_run" ]; then
    echo "$era: tools/list names: $names" >&2
    exit 1
  fi
  echo "$era: tools/list: $names"
  expect 0 "$era: check_baseline" inspect "$era" --method tools/call --tool-name check_baseline
  grep -q '"phase": "unmeasured"' "$project/inspector.log"
  echo "$era: check_baseline: phase unmeasured"
  expect $REFUSED "$era: compare" inspect "$era" --method tools/call --tool-name compare --tool-args-json '{"experiment": "muon"}'
  grep -o 'baseline_missing: [^"]*' "$project/inspector.log" | head -1 | sed "s/^/$era: compare: /"
done
