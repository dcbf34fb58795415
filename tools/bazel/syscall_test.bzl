# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""syscall_test: one gtest program, run natively and inside the sandbox."""

load("//tools/bazel:unsanitized.bzl", "unsanitized")

_RUNNER = "//test/runner:run_syscall_test.py"

def syscall_test(
        name,
        srcs,
        deps = [],
        platforms = ["ptrace", "systrap"],
        size = "medium",
        data = [],
        runsc_flags = [],
        run_native = True,
        tags = [],
        linkopts = [],
        copts = []):
    """Conformance tests of system calls.

    The same program runs on the host's Linux, which says what is right, and
    inside cvisor on each platform. Makes these targets:
      <name>_bin         the gtest program (main() is provided)
      <name>_native      runs it on the host
      <name>_<platform>  runs it with `runsc --platform=<platform> do`
      <name>             all of the above, as a test_suite

    Every test sees TEST_ON_CVISOR: the platform's name, unset on the host.

    Args:
      name: target name.
      srcs: sources of the program.
      deps: further libraries.
      platforms: platforms to run on.
      size: see cc_test; medium means five minutes.
      data: files that the program reads.
      runsc_flags: further global flags for runsc.
      run_native: False for a test that only makes sense inside cvisor.
      tags: further tags for all the tests.
      linkopts: see cc_binary.
      copts: see cc_binary.
    """
    program = name + "_bin"
    native.cc_binary(
        name = name + "_program",
        testonly = True,
        # //... means the one without sanitizers.
        tags = ["manual"],
        srcs = srcs,
        # Like the programs people run, it needs the dynamic loader.
        linkstatic = True,
        linkopts = linkopts,
        copts = copts,
        deps = deps + [
            "@gtest//:gmock",
            "@gtest//:gtest_main",
        ],
    )

    unsanitized(
        name = program,
        testonly = True,
        binary = ":%s_program" % name,
    )

    tests = []
    if run_native:
        tests.append(name + "_native")
        native.sh_test(
            name = name + "_native",
            size = size,
            srcs = [_RUNNER],
            args = ["--binary=$(rootpath :%s)" % program],
            data = [":" + program] + data,
            # The host's /proc, /dev and namespaces, not those of Bazel's sandbox.
            tags = ["local", "native"] + tags,
        )
    for platform in platforms:
        tests.append(name + "_" + platform)
        native.sh_test(
            name = name + "_" + platform,
            size = size,
            srcs = [_RUNNER],
            args = [
                "--binary=$(rootpath :%s)" % program,
                "--runsc=$(rootpath //runsc)",
                "--platform=" + platform,
            ] + ["--runsc-flag=" + flag for flag in runsc_flags],
            data = [":" + program, "//runsc"] + data,
            # runsc makes namespaces and mounts of its own.
            tags = ["local", "cvisor", platform] + tags,
        )
    native.test_suite(name = name, tests = tests)
