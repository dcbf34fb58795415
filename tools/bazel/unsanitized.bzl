# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""unsanitized: a program without the sanitizers that the command line asks for.

Programs that run inside cvisor are tests of the Sentry, not of themselves: with --config=asan it is the Sentry
that is built with AddressSanitizer. A sanitizer's run time in the program would change what it tests: it
handles signals, checks arguments before the kernel does, and needs terabytes of address space.
"""

_COPT = "//command_line_option:copt"
_LINKOPT = "//command_line_option:linkopt"

def _without_sanitizers(options):
    return [
        o
        for o in options
        if not (o.startswith("-fsanitize") or o.startswith("-fno-sanitize"))
    ]

def _transition_impl(settings, _attr):
    return {option: _without_sanitizers(settings[option]) for option in [_COPT, _LINKOPT]}

_transition = transition(
    implementation = _transition_impl,
    inputs = [_COPT, _LINKOPT],
    outputs = [_COPT, _LINKOPT],
)

def _impl(ctx):
    binary = ctx.attr.binary[0][DefaultInfo]
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = binary.files_to_run.executable,
        is_executable = True,
    )
    return [DefaultInfo(
        executable = executable,
        files = depset([executable]),
        runfiles = ctx.runfiles([executable]).merge(binary.default_runfiles),
    )]

unsanitized = rule(
    implementation = _impl,
    doc = "`binary`, under another name.",
    attrs = {
        "binary": attr.label(mandatory = True, executable = True, cfg = _transition),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
