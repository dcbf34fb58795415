#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# Built here if there is a compiler; the harness builds it beforehand otherwise.
export GOCACHE=$PWD/cache GOFLAGS=-mod=mod GO111MODULE=off
[ -x ./program ] || go build -o program main.go
./program; echo "exit: $?"
rm -rf cache program
