# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Wraps libraries from Debian's -dev packages as Bazel targets.

`system_library` makes one repository per project (@absl, @seccomp, ...). It
finds the pkg-config files of the wanted modules and of everything they
require, and writes one cc_library per module. The static archive of a module
is its source, so whatever links the module gets the archive, never the shared
object. Headers stay in /usr/include, which the compiler treats as a system
directory: warnings in them are not reported.
"""

# Part of libc, or of the compiler's own run time.
_LIBC = ["atomic", "c", "dl", "m", "pthread", "rt"]

# More than any project here has; Starlark has no `while`.
_MAX_MODULES = 1000

def _pkg_config(ctx, args, package):
    result = ctx.execute(["pkg-config"] + args)
    if result.return_code != 0:
        fail("pkg-config %s failed: install the Debian package %s (or run tools/setup.sh)" %
             (" ".join(args), package))
    return result.stdout.strip()

def _fields(text):
    """Returns the 'Name: value' lines of a .pc file with ${variables} expanded."""
    variables = {}
    fields = {}
    for line in text.split("\n"):
        line = line.strip()
        for name, value in variables.items():
            line = line.replace("${" + name + "}", value)
        if line.startswith("#") or not line:
            continue
        equal = line.find("=")
        colon = line.find(":")
        if equal > 0 and (colon < 0 or equal < colon):
            variables[line[:equal].strip()] = line[equal + 1:].strip()
        elif colon > 0:
            fields[line[:colon].strip()] = line[colon + 1:].strip()
    return fields

def _requires(fields):
    """Module names in Requires and Requires.private, without their versions."""
    names = []
    for field in ("Requires", "Requires.private"):
        for part in fields.get(field, "").split(","):
            words = [w for w in part.split(" ") if w]
            if words:
                names.append(words[0])
    return names

def _archives(ctx, fields, libdir):
    """Paths of the static archives that a module's -l flags name."""
    paths = []
    words = (fields.get("Libs", "") + " " + fields.get("Libs.private", "")).split(" ")
    for word in words:
        name = word[2:]
        if not word.startswith("-l") or name in _LIBC:
            continue
        path = ctx.path("%s/lib%s.a" % (libdir, name))
        if not path.exists:
            fail("%s is missing; install the package that provides it" % path)
        paths.append(path)
    return paths

def _system_library_impl(ctx):
    modules = ctx.attr.modules
    first = modules.values()[0]
    pc_dir = _pkg_config(ctx, ["--variable=pcfiledir", first], ctx.attr.debian_package)
    libdir = _pkg_config(ctx, ["--variable=libdir", first], ctx.attr.debian_package)
    if not libdir:
        # A header-only module in /usr/share/pkgconfig.
        libdir = "/usr/lib"

    build = ['package(default_visibility = ["//visibility:public"])']
    queue = modules.values()
    seen = {}
    for _ in range(_MAX_MODULES):
        if not queue:
            break
        module = queue.pop(0)
        if module in seen:
            continue
        seen[module] = True
        fields = _fields(ctx.read("%s/%s.pc" % (pc_dir, module)))
        requires = _requires(fields)
        queue += requires

        srcs = []
        for archive in _archives(ctx, fields, libdir):
            link = "lib/" + archive.basename
            if not ctx.path(link).exists:
                ctx.symlink(archive, link)
            srcs.append(link)
        build.append("""
cc_library(
    name = "{name}",
    srcs = {srcs},
    linkopts = ["-pthread"],
    linkstatic = True,
    deps = {deps},
)""".format(
            name = "module_" + module,
            srcs = srcs,
            deps = [":module_" + name for name in requires],
        ))
    if queue:
        fail("more than %d modules" % _MAX_MODULES)

    for name, module in modules.items():
        build.append("""
alias(
    name = "{name}",
    actual = ":module_{module}",
)""".format(name = name, module = module))

    ctx.file("WORKSPACE")
    ctx.file("BUILD.bazel", "\n".join(build) + "\n")

system_library = repository_rule(
    implementation = _system_library_impl,
    doc = "A library of the distribution, found through pkg-config.",
    attrs = {
        "modules": attr.string_dict(
            mandatory = True,
            doc = "Target name to pkg-config module.",
        ),
        "debian_package": attr.string(
            mandatory = True,
            doc = "Named in the message when the module is missing.",
        ),
    },
    # Looks at the machine; `bazel sync --configure` looks again.
    local = True,
    configure = True,
)

_ABSL = [
    "algorithm",
    "algorithm_container",
    "any_invocable",
    "base",
    "bind_front",
    "bits",
    "btree",
    "cleanup",
    "core_headers",
    "failure_signal_handler",
    "fixed_array",
    "flags",
    "flags_parse",
    "flags_reflection",
    "flags_usage",
    "flat_hash_map",
    "flat_hash_set",
    "function_ref",
    "hash",
    "inlined_vector",
    "int128",
    "memory",
    "node_hash_map",
    "node_hash_set",
    "numeric",
    "optional",
    "random_random",
    "raw_logging_internal",
    "span",
    "stacktrace",
    "status",
    "statusor",
    "str_format",
    "strings",
    "symbolize",
    "synchronization",
    "time",
    "type_traits",
    "utility",
    "variant",
]

def system_libraries():
    """Declares every system library that cvisor may use."""
    system_library(
        name = "absl",
        debian_package = "libabsl-dev",
        modules = {name: "absl_" + name for name in _ABSL},
    )
    system_library(
        name = "protobuf",
        debian_package = "libprotobuf-dev",
        modules = {"protobuf": "protobuf", "protobuf_lite": "protobuf-lite"},
    )
    system_library(
        name = "seccomp",
        debian_package = "libseccomp-dev",
        modules = {"seccomp": "libseccomp"},
    )
    system_library(
        name = "re2",
        debian_package = "libre2-dev",
        modules = {"re2": "re2"},
    )
    system_library(
        name = "gtest",
        debian_package = "libgmock-dev",
        modules = {"gtest": "gtest", "gtest_main": "gtest_main", "gmock": "gmock"},
    )
    system_library(
        name = "nlohmann_json",
        debian_package = "nlohmann-json3-dev",
        modules = {"json": "nlohmann_json"},
    )
