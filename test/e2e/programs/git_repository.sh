#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2001-02-03 04:05:06 +0000' GIT_COMMITTER_DATE='2001-02-03 04:05:06 +0000'
export GIT_CONFIG_GLOBAL=$PWD/config GIT_CONFIG_SYSTEM=/dev/null GIT_PAGER=cat
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false
git init -q repo; cd repo
mkdir -p include; cp -r /usr/include/linux/netfilter* /usr/include/linux/can* include/
git add .; git commit -q -m 'a real tree'; git log --format='%H %an %s'; git ls-files | wc -l
git checkout -q -b topic; for i in $(seq 12); do echo "change $i" >> notes; git add notes; git commit -q -m "change $i"; done
git checkout -q main; echo main > other; git add other; git commit -q -m other
git merge -q -m merge topic; git log --graph --oneline | head -n 5; git rev-list --count HEAD
sed -i '1s/^/changed /' include/can.h; git diff --stat; git stash -q; git status --short; git stash pop -q; git status --short
git checkout -q -- .; git tag -m tagged v1; git describe
git gc -q --prune=now; git fsck --strict; git count-objects | cut -d' ' -f1; ls .git/objects/pack/*.pack | wc -l
git clone -q . ../clone; cd ../clone; git log -1 --format=%H; git grep -c struct | wc -l
git format-patch -q -3 HEAD; ls *.patch; git rebase -q HEAD~2; git rev-list --count HEAD; git blame notes | wc -l
git archive HEAD | tar t | wc -l; git bundle create -q ../b.bundle main; git bundle verify -q ../b.bundle > /dev/null && echo bundle
git rm -rq include; git commit -qm gone; git show --stat | tail -n 1; git bisect start HEAD HEAD~5 | head -n 1; git bisect reset -q 2>/dev/null || true; git worktree add -q ../wt; git worktree list | wc -l
cd ..; rm -rf clone b.bundle wt repo/.git
