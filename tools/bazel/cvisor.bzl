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

def cvisor_cc_proto(name, src, deps = [], visibility = None):
    """A protobuf message library from one .proto file.

    Include the result as "<package>/<file>.pb.h". Uses the full runtime;
    imports are relative to the workspace.

    Args:
      name: target name.
      src: the .proto file.
      deps: other cvisor_cc_proto targets that src imports.
      visibility: see cc_library.
    """
    base = src[:-len(".proto")]
    native.filegroup(
        name = name + "_protos",
        srcs = [src] + [dep + "_protos" for dep in deps],
        visibility = visibility,
    )
    native.genrule(
        name = name + "_gen",
        srcs = [name + "_protos"],
        outs = [base + ".pb.h", base + ".pb.cc"],
        cmd = "/usr/bin/protoc -I. --cpp_out=$(GENDIR) %s/%s" % (native.package_name(), src),
        message = "Generating protobuf code for",
    )
    native.cc_library(
        name = name,
        srcs = [base + ".pb.cc"],
        hdrs = [base + ".pb.h"],
        # Not our code.
        copts = ["-w"],
        visibility = visibility,
        deps = deps + ["@protobuf"],
    )

# -mgeneral-regs-only: the stub runs between two instructions of an application
# and must not touch its vector registers.
_STUB_COPTS = " ".join([
    "-std=c17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-O2",
    "-ffreestanding",
    "-fPIE",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-jump-tables",
    "-fno-tree-loop-distribute-patterns",
    "-fcf-protection=none",
    "-mgeneral-regs-only",
    "-mno-red-zone",
    "-U_FORTIFY_SOURCE",
    "-I.",
])

def stub_blob(name, srcs, symbol = None, hdrs = [], copts = [], visibility = None):
    """Code that runs without libc in another process, as bytes in this one.

    Compiles C and assembly sources into one flat position-independent image
    and makes a cc_library of it. Its header, "<package>/<name>.h", declares
    `extern const unsigned char <symbol>_start[], <symbol>_end[]` and, for
    each global function of the stub, its offset in the image as
    `<symbol>_offset::<function>`. The section .stub.head is put at offset 0.
    The link fails if the image would need relocation or writable data.

    It is always built by GCC and the build's --copt flags do not apply: the
    stub is the same in every configuration and never has a sanitizer in it. The
    image becomes .byte lines, not .incbin: Bazel drops files that the
    compiler does not report as included, and would miss changes.

    Args:
      name: target name.
      srcs: .c and .S files.
      symbol: prefix of the symbols; the target's name if not given.
      hdrs: headers that the sources include (relative to the workspace).
      copts: further compiler options.
      visibility: see cc_library.
    """
    symbol = symbol or name
    native.genrule(
        name = name + "_gen",
        srcs = srcs + hdrs,
        outs = [name + ".elf", name + ".bin", name + ".S", name + ".h"],
        tools = ["//tools/bazel:stub.ld"],
        message = "Building stub",
        cmd = """
set -eu
dir=$(RULEDIR) name={name} symbol={symbol}
elf=$$dir/$$name.elf bin=$$dir/$$name.bin
/usr/bin/gcc {flags} -nostdlib -static-pie -fuse-ld=bfd -Wl,--no-warn-rwx-segments -Wl,--no-dynamic-linker -Wl,--build-id=none \
    -Wl,-T,$(location //tools/bazel:stub.ld) -o $$elf {srcs}
/usr/bin/objcopy -O binary -j .stub $$elf $$bin
{{
  echo "  .section .rodata.$$symbol, \\"a\\", @progbits"
  echo "  .balign 4096"
  echo "  .globl $${{symbol}}_start, $${{symbol}}_end"
  echo "$${{symbol}}_start:"
  od -An -v -tx1 $$bin | sed -e 's/ /, 0x/g' -e 's/^, /  .byte /'
  echo "$${{symbol}}_end:"
  echo "  .section .note.GNU-stack, \\"\\", @progbits"
}} > $$dir/$$name.S
{{
  echo "// Generated by stub_blob: the stub's image and the offsets of its functions."
  echo "#pragma once"
  echo "extern \\"C\\" const unsigned char $${{symbol}}_start[], $${{symbol}}_end[];"
  echo "namespace $${{symbol}}_offset {{"
  /usr/bin/nm -g --defined-only $$elf | grep -E ' T [A-Za-z_][A-Za-z0-9_]*$$' |
    sed -E 's/^([0-9a-f]+) T (.*)$$/inline constexpr unsigned long \\2 = 0x\\1;/' || true
  echo "}}"
}} > $$dir/$$name.h
""".format(
            name = name,
            symbol = symbol,
            flags = _STUB_COPTS + " " + " ".join(copts),
            srcs = " ".join(["$(execpaths %s)" % src for src in srcs]),
        ),
    )
    native.cc_library(
        name = name,
        srcs = [name + ".S"],
        hdrs = [name + ".h"],
        visibility = visibility,
    )
