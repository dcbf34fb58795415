#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# The usual file programs over a tree made here.
mkdir -p tree/{a,b,c}/{1,2,3}
for d in tree/*/*; do for n in 1 2 3 4; do seq $n $((n * 50)) > "$d/file$n"; done; done
ln -s ../b tree/a/link; ln tree/a/1/file1 tree/hard; mkfifo tree/fifo; chmod 4750 tree/b/2/file2
touch -d '2001-02-03 04:05:06.123456789 UTC' tree/c/1/file3; touch -h -d @1 tree/a/link
find tree | sort
find tree -type f -size +0 -name 'file[23]' -newer tree/c/1/file3 | wc -l
find tree \( -type l -o -type p -o -links 2 -type f \) -printf '%p %y %m %n\n' | sort
find tree -path 'tree/b*' -type f -exec md5sum {} + | sort -k2 | md5sum
find tree -name file4 -delete; find tree -type f | wc -l
tar cf t.tar --sort=name --numeric-owner tree; mkdir x; tar xpf t.tar -C x; diff -r --no-dereference tree x/tree 2>&1 | grep -v fifo
tar tvf t.tar | awk '{print $1, $3, $NF}'
tar czf t.tgz tree; tar xzOf t.tgz tree/a/1/file2 | cksum
cp -a tree copy; stat -c '%n %A %y %s' copy/c/1/file3; stat -c '%n %A %s' copy/b/2/file2; stat -c '%n %Y' copy/a/link
mv copy moved; rm -rf moved/a; ls -R moved | head -n 8
du -s --apparent-size tree/b/1 | cut -f 2; df . > /dev/null && echo df
cmp tree/a/1/file1 x/tree/a/1/file1 && echo equal
split -l 30 tree/b/3/file3 part.; wc -l part.*; cat part.* | cmp - tree/b/3/file3
dd if=tree/b/3/file3 bs=7 skip=2 count=3 2>/dev/null | od -An -c
truncate -s 1M sparse; printf x | dd of=sparse bs=1 seek=524288 conv=notrunc 2>/dev/null
stat -c %s sparse; cksum < sparse; cp --sparse=always sparse s2; cmp sparse s2 && echo sparse-copied
install -m 0711 -D tree/a/1/file1 deep/er/target; stat -c '%a %n' deep/er/target
rmdir tree 2>&1; mkdir tree 2>&1; ln -s loop loop; cat loop 2>&1; cat tree 2>&1; rm nothing 2>&1
readlink -f tree/a/link/1/../2; realpath --relative-to=tree/a tree/c; mktemp -d -p . tmp.XXX | wc -c
sync; chmod 000 deep/er/target; test -x deep/er; echo $?
comm -12 <(seq 1 2 30 | sort) <(seq 1 3 30 | sort) | paste -sd,; join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n')
