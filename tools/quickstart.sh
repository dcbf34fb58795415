#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#
# Sets up this machine, builds runsc and runs a shell in a sandbox that shows
# which kernel it talks to.

set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh build
bazel build //runsc

echo
echo "A shell inside a cvisor sandbox:"
exec bazel-bin/runsc/runsc do -- /bin/sh -c 'uname -a; dmesg | head; cat /proc/version'
