#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Makes the fuzzer's list of calls from the Sentry's own table.

usage: generate_calls.py table.h table.cc > calls.inc

A call that the table gains is fuzzed without another word, with values for
the formats that strace prints; descriptions.cc says more about some.
"""

import re
import sys


def formats(header):
    body = re.search(r"enum class ArgFormat[^{]*\{(.*?)\};", header, re.DOTALL).group(1)
    body = re.sub(r"//[^\n]*", "", body)
    return re.findall(r"\bk\w+", body)


def calls(source):
    table = source.split("constexpr SyscallInfo kTable[] = {", 1)[1].split("\n};", 1)[0]
    entry = re.compile(r'\{(\d+), "(\w+)", \w+, \{([^}]*)\}')
    for number, name, args in entry.findall(table):
        yield int(number), name, re.findall(r"k\w+", args)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        kinds = formats(f.read())
    with open(sys.argv[2], encoding="utf-8") as f:
        table = list(calls(f.read()))
    assert len(table) > 200, "the table's form has changed"
    print("// Generated from the Sentry's table of system calls.")
    print("#ifdef FUZZ_KIND")
    for kind in kinds:
        print("FUZZ_KIND(%s)" % kind)
    print("#endif\n#ifdef FUZZ_CALL")
    for number, name, args in table:
        print("FUZZ_CALL(%d, %s, %s)" % (
            number, name, ", ".join((["Kind::" + a for a in args] + ["Kind::kNone"] * 6)[:6])))
    print("#endif")


if __name__ == "__main__":
    main()
