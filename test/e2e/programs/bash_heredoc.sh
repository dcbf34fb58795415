#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
name=world
cat <<X
hello $name, $((6 * 7)), $(echo nested $(echo deep)), \$literal
X
cat <<'X'
hello $name, no expansion \$ `here`
X
cat <<-X
	tabs are gone
		all of them
	X
tr a-z A-Z <<< "here string $name"
cat <<A - <<B
not shown: only the last one is stdin
A
shown
B
while read -r a b; do echo "$b:$a"; done <<X
1 one
2 two
X
# Larger than a pipe's buffer.
big=$(head -c 200000 /dev/zero | tr '\0' y)
wc -c <<< "$big"
sh -s arg1 <<'X'
echo "script from stdin: $1"
X
