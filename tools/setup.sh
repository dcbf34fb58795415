#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian 12 packages that cvisor needs and that are missing.
# Quiet, and fast when there is nothing to do.
#
# usage: tools/setup.sh [build] [test] [dev]     (without arguments: build test)

set -euo pipefail

# Bazel, the compiler, and the libraries that are linked into runsc.
build=(
  bazel-bootstrap g++ lld pkg-config python3 git
  libabsl-dev libprotobuf-dev protobuf-compiler zlib1g-dev
  libseccomp-dev libre2-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev
)

# Programs that the tests run inside the sandbox.
test=(
  busybox-static debootstrap procps vim-tiny less
  gcc g++ make git perl python3 nodejs golang-go openjdk-17-jdk-headless gdb strace
  docker.io containerd podman runc iproute2 iptables
)

# For working on cvisor: the other compiler, formatting, debugging.
dev=(clang libclang-rt-dev clang-format clang-tidy)

wanted=()
for list in "${@:-build test}"; do
  for name in $list; do
    case "$name" in
      build) wanted+=("${build[@]}") ;;
      test) wanted+=("${test[@]}") ;;
      dev) wanted+=("${dev[@]}") ;;
      *) echo "usage: $0 [build] [test] [dev]" >&2; exit 2 ;;
    esac
  done
done

declare -A have
while read -r status name; do
  [[ $status == ii || $status == hi ]] && have[$name]=1
done < <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n')

missing=()
for package in "${wanted[@]}"; do
  [[ ${have[$package]:-} ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $EUID -ne 0 ]]; then
  echo "These packages are missing; run as root: apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "Installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)

# The package lists may be absent or too old: then fetch them and try again.
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
      >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
fi
