# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Small stand-ins for the outside repositories that Bazel itself loads.

Bazel 4.2 refers to rules_cc, rules_java and remote_coverage_tools. It only
needs names of rules that are built in, so these repositories are written here
and nothing is downloaded.
"""

def _native_rules_impl(ctx):
    lines = ["%s = native.%s" % (rule, rule) for rule in ctx.attr.rules]
    ctx.file("WORKSPACE")
    ctx.file(ctx.attr.package + "/BUILD", 'exports_files(["defs.bzl"])\n')
    ctx.file(ctx.attr.package + "/defs.bzl", "\n".join(lines) + "\n")

_native_rules = repository_rule(
    implementation = _native_rules_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "rules": attr.string_list(mandatory = True),
    },
)

def _empty_filegroups_impl(ctx):
    ctx.file("WORKSPACE")
    ctx.file("BUILD", "\n".join([
        'filegroup(name = "%s", visibility = ["//visibility:public"])' % name
        for name in ctx.attr.names
    ]) + "\n")

_empty_filegroups = repository_rule(
    implementation = _empty_filegroups_impl,
    attrs = {"names": attr.string_list(mandatory = True)},
)

def bazel_shims():
    """Declares the repositories that Bazel's own BUILD files load."""
    _native_rules(
        name = "rules_cc",
        package = "cc",
        rules = [
            "cc_binary",
            "cc_import",
            "cc_library",
            "cc_proto_library",
            "cc_test",
            "cc_toolchain",
            "cc_toolchain_suite",
            "objc_library",
        ],
    )
    _native_rules(
        name = "rules_java",
        package = "java",
        rules = [
            "java_binary",
            "java_import",
            "java_library",
            "java_proto_library",
            "java_runtime",
            "java_test",
            "java_toolchain",
        ],
    )
    _empty_filegroups(
        name = "remote_coverage_tools",
        names = ["coverage_report_generator", "lcov_merger"],
    )
