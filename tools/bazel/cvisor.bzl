# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Macros for cvisor's programs, tests and freestanding stubs."""

# One self-contained file that starts in half a millisecond: no shared objects
# to look up, and still loaded at a random address.
_STATIC_PIE = select({
    "//tools/bazel:sanitized": [],
    "//conditions:default": ["-static-pie"],
})

def cvisor_cc_binary(name, static = True, linkopts = [], **kwargs):
    """A program. Statically linked, except when a sanitizer is on.

    Args:
      name: target name.
      static: link -static-pie; False links against the shared libc.
      linkopts: further linker options.
      **kwargs: see cc_binary.
    """
    native.cc_binary(
        name = name,
        linkstatic = True,
        linkopts = linkopts + (_STATIC_PIE if static else []),
        **kwargs
    )

def cvisor_cc_test(name, deps = [], size = "small", **kwargs):
    """A gtest unit test; main() is provided.

    Args:
      name: target name.
      deps: libraries under test; gtest and gmock are added.
      size: see cc_test; small means one minute.
      **kwargs: see cc_test.
    """
    native.cc_test(
        name = name,
        size = size,
        linkstatic = True,
        deps = deps + [
            "@gtest//:gmock",
            "@gtest//:gtest_main",
        ],
        **kwargs
    )
