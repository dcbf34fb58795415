#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#
# Sets up this machine and runs the tests. The last line is "N passed, N failed",
# over all test cases.
#
# usage: tools/test.sh [bazel options or targets]     (without targets: //...)
#   tools/test.sh --config=asan
#   tools/test.sh //test/syscalls/...

set -uo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh build test || exit 1

options=()
targets=()
for arg in "$@"; do
  if [[ $arg == -* ]]; then options+=("$arg"); else targets+=("$arg"); fi
done
[[ ${#targets[@]} -gt 0 ]] || targets=(//...)
# In CI a result from an earlier run is no result.
[[ ${CI:-} == true ]] && options+=(--nocache_test_results)
[[ -t 1 ]] || options+=(--noshow_progress)

events=$(mktemp)
trap 'rm -f "$events"' EXIT
bazel test --keep_going --build_event_json_file="$events" "${options[@]}" -- "${targets[@]}"
status=$?

# Not `exec`: the trap still has a file to remove.
/usr/bin/python3 tools/count_tests.py "$events" "$status"
