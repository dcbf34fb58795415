// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The first line of #! scripts.

#ifndef CVISOR_PKG_SENTRY_LOADER_SCRIPT_H_
#define CVISOR_PKG_SENTRY_LOADER_SCRIPT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "pkg/base/result.h"

namespace cvisor::loader {

// How much of a file's start Linux looks at (BINPRM_BUF_SIZE).
inline constexpr size_t kScriptHeadSize = 256;

struct ScriptLine {
  std::string interpreter;
  std::optional<std::string> argument;  // all the rest of the line, with inner blanks
};

inline bool IsScript(std::string_view head) { return head.starts_with("#!"); }

// `head`: the first kScriptHeadSize bytes of the file, or all of it. Must be IsScript(). ENOEXEC if
// no interpreter is named or its name may go on behind the head.
Result<ScriptLine> ParseScriptLine(std::string_view head);

}  // namespace cvisor::loader

#endif  // CVISOR_PKG_SENTRY_LOADER_SCRIPT_H_
