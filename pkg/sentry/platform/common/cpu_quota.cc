// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/common/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace cvisor::platform {
namespace {

// The words of a file; none if it cannot be read.
std::vector<std::string> Words(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; file >> word;) words.push_back(word);
  return words;
}

// quota/period, both in microseconds. "max" and -1 are no limit.
std::optional<double> Cores(const std::string& quota, const std::string& period) {
  double q, p;
  if (!absl::SimpleAtod(quota, &q) || !absl::SimpleAtod(period, &p) || q <= 0 || p <= 0) {
    return std::nullopt;
  }
  return q / p;
}

std::optional<double> QuotaOf(const std::string& dir) {
  if (const auto max = Words(dir + "/cpu.max"); max.size() == 2) return Cores(max[0], max[1]);
  const auto quota = Words(dir + "/cpu.cfs_quota_us"), period = Words(dir + "/cpu.cfs_period_us");
  if (quota.size() == 1 && period.size() == 1) return Cores(quota[0], period[0]);
  return std::nullopt;
}

}  // namespace

std::optional<double> CpuQuota(const std::string& cgroups, const std::string& root) {
  std::optional<double> least;
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {
    // hierarchy:controllers:path
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || parts[2].empty() || parts[2][0] != '/') continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    const bool v2 = parts[0] == "0" && parts[1].empty();
    if (!v2 && std::find(controllers.begin(), controllers.end(), "cpu") == controllers.end()) {
      continue;
    }
    // The usual places: v2 alone, v1, and v1 with two controllers in one hierarchy.
    std::vector<std::string> mounts{root + "/" + parts[1]};
    if (v2) mounts = {root, root + "/unified"};
    for (const std::string& mount : mounts) {
      std::string path = parts[2];
      for (;;) {
        const auto cores = QuotaOf(mount + path);
        if (cores.has_value()) least = std::min(*cores, least.value_or(*cores));
        if (path.empty()) break;
        path.resize(path.rfind('/'));
      }
    }
  }
  return least;
}

}  // namespace cvisor::platform
