#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Writes compile_commands.json, for clangd and clang-tidy.

usage: tools/compile_commands.py [TARGET PATTERN]     (without arguments: //...)

Asks Bazel for its compile actions; builds nothing. Generated headers exist only
after a build.
"""

import json
import os
import subprocess
import sys

# Flags that GCC has and clang does not, and flags about files that Bazel wants.
DROP = {"-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-pass-exit-codes", "-MD",
        "-ftrivial-auto-var-init=zero"}
DROP_WITH_VALUE = {"-MF", "-o"}


def arguments(action):
    """Returns the action's command line as clang understands it."""
    result = []
    words = iter(action["arguments"])
    for word in words:
        if word in DROP_WITH_VALUE:
            next(words, None)
        elif word not in DROP and not word.startswith("-frandom-seed="):
            result.append(word)
    return result + ["-Wno-unknown-warning-option"]


def main():
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
    os.chdir(root)
    pattern = sys.argv[1] if len(sys.argv) > 1 else "//..."
    query = 'mnemonic("CppCompile", deps(%s))' % pattern
    run = lambda *command: subprocess.run(
        ("bazel",) + command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    actions = json.loads(run("aquery", "--output=jsonproto", "--include_artifacts=false",
                             "--ui_event_filters=-info", "--noshow_progress", query))
    execroot = run("info", "--noshow_progress", "execution_root").strip()

    commands = {}
    for action in actions.get("actions", []):
        words = arguments(action)
        source = words[words.index("-c") + 1]
        if not source.startswith(("external/", "bazel-out/")):
            commands[source] = {
                # The execution root has links to both the sources and bazel-out.
                "directory": execroot,
                "file": os.path.join(root, source),
                "arguments": [os.path.join(root, w) if w == source else w for w in words],
            }
    with open("compile_commands.json", "w", encoding="utf-8") as out:
        json.dump([commands[source] for source in sorted(commands)], out, indent=1)
        out.write("\n")
    print("%d commands" % len(commands))


if __name__ == "__main__":
    main()
