#!/bin/sh
# Format, lint, types, dead code, tests: stops at the first that fails. `--with-e2e` adds the end-to-end tests.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH
export PATH

check() {
  name=$1
  shift
  printf '%s …\n' "$name"
  "$@" || { printf '%s failed: %s\n' "$name" "$*" >&2; exit 1; }
}

check format oxfmt --check
check lint npm run --silent lint
check types npm run --silent types
check 'dead code' npm run --silent dead
check tests node tools/test.ts "$@"
