#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
[ -e Main.class ] || javac Main.java
java -Xmx256m -XX:-UsePerfData Main a 'b c'; echo "exit: $?"
rm -f ./*.class
