#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
seq 1 200000 | awk 'BEGIN {srand(42)} {print ($1 * 7919) % 200003, $1}' > numbers
sort -n numbers | md5sum; sort -k2,2rn numbers | head -n 3; sort -S 1M --parallel=2 -n numbers | md5sum
sort -u -k1,1.1 numbers | wc -l; sort -rn numbers -o numbers.sorted; head -n 2 numbers.sorted
sort -c -n numbers.sorted 2>&1 | head -n 1
sed -e '1,5d;10q' -e 's/\([0-9]*\) \([0-9]*\)/\2-\1/' numbers
sed -i.bak '1s/.*/first line/;$d' numbers; head -n 1 numbers; wc -l < numbers; ls numbers*
awk '{c[$1 % 10]++} END {for (i = 0; i < 10; i++) printf "%d=%d ", i, c[i]; print ""}' numbers
awk 'BEGIN {while (("echo a b; echo c" | getline l) > 0) print "got " l; "date +%s" | getline d; print (d > 1e9)}'
awk 'BEGIN {print "z\ny\nx" | "sort"; close("sort"); system("exit 3"); print length("abc") substr("hello", 2, 3)}'
grep -c 99 numbers; grep -n '^1234 ' numbers; grep -E '^(1|2)0{3} ' numbers; grep -q nothing numbers; echo $?
cut -d' ' -f2 numbers | tail -n 2; tr -d '\n' < numbers | cksum; uniq -c <(printf 'a\na\nb\n')
tac numbers | head -n 1; nl numbers | sed -n 3p; fold -w 10 <<< "a long line of text"; expand <<< $'a\tb'
seq 50 | xargs -P4 -n1 sh -c 'echo "$0 $(($0 * $0))"' | sort -n | md5sum
seq 100 | xargs -n 30 echo | wc -l; printf 'a b\0c\0' | xargs -0 -n1 echo; echo | xargs -r echo never
xargs -P4 -I{} sh -c 'exit {}' <<< 1; echo "xargs: $?"
paste <(seq 3) <(seq 4 6); column -t <<< $'a bb\nccc d' 2>/dev/null || printf 'a    bb\nccc  d\n'
printf '%s\n' x y z | shuf --random-source=/dev/zero | sort; base64 <<< cvisor; sha256sum < /dev/null
gzip -9 -c -n numbers | cksum; gzip -c numbers | zcat | cmp - numbers && echo gzip; date -u -d @86400 +%F
expr 6 \* 7; factor 1234567890; printf '%x %o %e\n' 255 8 1234.5; numfmt --to=iec 1048576; test 3 -lt 5; echo $?
env -i A=1 B=2 env | sort; nohup true 2>/dev/null; nice -n 5 nice; stdbuf -oL echo line
