# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Fuzz targets."""

def cvisor_cc_fuzz(name, srcs, deps = [], **kwargs):
    """A libFuzzer program from a file with LLVMFuzzerTestOneInput.

    Not part of `//...`: GCC has no libFuzzer.

    Args:
      name: target name.
      srcs: sources.
      deps: libraries under test; they are instrumented as the configuration says.
      **kwargs: see cc_binary.
    """
    native.cc_binary(
        name = name,
        srcs = srcs,
        testonly = True,
        copts = ["-fsanitize=fuzzer-no-link"],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
        **kwargs
    )
