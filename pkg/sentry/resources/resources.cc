// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/resources/resources.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace cvisor {
namespace {

std::string ReadAll(int fd) {
  std::string text(16384, '\0');
  const ssize_t n = fd < 0 ? 0 : pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// The number behind "name" and a blank or colon, where a line begins with it; else `fallback`.
uint64_t Field(const std::string& text, const char* name, uint64_t fallback) {
  for (size_t at = 0; at < text.size(); at = text.find('\n', at)) {
    if (text[at] == '\n') ++at;
    if (text.compare(at, strlen(name), name) == 0) {
      return strtoull(text.c_str() + at + strlen(name), nullptr, 10);
    }
  }
  return fallback;
}

// How many CPUs a list like "0-2,5" names; 0 if it is none.
int CountCpus(const std::string& list) {
  int count = 0;
  for (const char* at = list.c_str(); *at != '\0';) {
    char* end = nullptr;
    const long first = strtol(at, &end, 10);
    if (end == at || first < 0) return 0;
    long last = first;
    if (*end == '-') {
      at = end + 1;
      last = strtol(at, &end, 10);
      if (end == at || last < first || last > 65535) return 0;
    }
    count += static_cast<int>(last - first) + 1;
    at = *end == ',' ? end + 1 : end;
    if (*at != '\0' && at == end) return 0;
  }
  return count;
}

}  // namespace

Resources& SandboxResources() {
  static Resources& only = *new Resources;
  return only;
}

int VisibleCpus(const Resources::Limits& limits, int host_cpus) {
  int cpus = host_cpus;
  if (const int count = CountCpus(limits.cpus); count > 0) cpus = std::min(cpus, count);
  if (limits.cpu_quota_us > 0 && limits.cpu_period_us > 0) {
    const uint64_t quota = static_cast<uint64_t>(limits.cpu_quota_us);
    const uint64_t whole = quota / limits.cpu_period_us + (quota % limits.cpu_period_us != 0);
    cpus = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(cpus), whole));
  }
  return std::max(1, cpus);
}

void Resources::SetUsageFiles(UniqueFd memory, UniqueFd memory_stat, UniqueFd cpu) {
  memory_file_ = std::move(memory);
  memory_stat_file_ = std::move(memory_stat);
  cpu_file_ = std::move(cpu);
}

uint64_t Resources::MemoryUsage() const {
  return strtoull(ReadAll(memory_file_.get()).c_str(), nullptr, 10);
}

uint64_t Resources::CpuUsageNs() const {
  const std::string text = ReadAll(cpu_file_.get());
  const uint64_t us = Field(text, "usage_usec ", 0);
  return us != 0 ? us * 1000 : strtoull(text.c_str(), nullptr, 10);
}

Resources::Memory Resources::ReadMemory() const {
  struct sysinfo s = {};
  ::sysinfo(&s);
  Memory m;
  m.total = s.totalram * s.mem_unit;
  m.free = s.freeram * s.mem_unit;
  m.buffers = s.bufferram * s.mem_unit;
  const UniqueFd meminfo(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  const std::string host = ReadAll(meminfo.get());
  // What the host calls available includes its page cache.
  m.available = Field(host, "MemAvailable:", m.free >> 10) << 10;
  m.cached = Field(host, "Cached:", 0) << 10;
  const int64_t limit = Get().memory;
  if (limit <= 0 || static_cast<uint64_t>(limit) >= m.total) return m;
  m.total = static_cast<uint64_t>(limit);
  const uint64_t used = std::min(MemoryUsage(), m.total);
  const std::string stat = ReadAll(memory_stat_file_.get());
  m.free = std::min(m.free, m.total - used);
  m.cached = std::min(Field(stat, "total_cache ", Field(stat, "file ", 0)), used);
  m.buffers = 0;
  const uint64_t inactive = Field(stat, "total_inactive_file ", Field(stat, "inactive_file ", 0));
  m.available = std::min(m.available, m.total - used + std::min(inactive, used));
  return m;
}

}  // namespace cvisor
