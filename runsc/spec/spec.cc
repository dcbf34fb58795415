// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/spec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <unistd.h>

#include "pkg/base/unique_fd.h"
#include "runsc/spec/reader.h"

namespace cvisor::runsc::spec {
namespace {

constexpr uint64_t kMaxId = 0xfffffffe;  // -1 means "none" to the kernel

bool HasNul(const std::string& s) { return s.find('\0') != std::string::npos; }

// A string that ends up as a C string.
std::string CString(const Reader& r) {
  std::string s = r.String();
  if (HasNul(s)) r.Fail("must not contain a NUL character");
  return s;
}

uint64_t CapabilityMask(const Reader& r) {
  uint64_t mask = 0;
  for (const Reader& item : r.Array()) {
    const std::string name = item.String();
    const int cap = CapabilityByName(name);
    // A newer engine may know more capabilities than we do; it cannot mean them for this kernel.
    if (cap < 0 && name.rfind("CAP_", 0) != 0) item.Fail("unknown capability \"" + name + "\"");
    if (cap >= 0) mask |= uint64_t{1} << cap;
  }
  return mask;
}

void ParseCapabilities(const Reader& r, control::Capabilities* out) {
  out->set_bounding(CapabilityMask(r["bounding"]));
  out->set_effective(CapabilityMask(r["effective"]));
  out->set_permitted(CapabilityMask(r["permitted"]));
  out->set_inheritable(CapabilityMask(r["inheritable"]));
  out->set_ambient(CapabilityMask(r["ambient"]));
}

void ParseRlimits(const Reader& r, control::Process* out) {
  std::vector<bool> seen(32);
  for (const Reader& item : r.Array()) {
    const std::string name = item["type"].String();
    const int resource = RlimitByName(name);
    if (resource < 0) {
      item["type"].Fail("unknown limit \"" + name + "\"");
      return;
    }
    if (seen[static_cast<size_t>(resource)]) item["type"].Fail(name + " is given twice");
    seen[static_cast<size_t>(resource)] = true;
    if (!item["soft"].present() || !item["hard"].present()) item.Fail("needs soft and hard");
    control::Rlimit* limit = out->add_rlimits();
    limit->set_resource(resource);
    limit->set_soft(item["soft"].Unsigned(UINT64_MAX));
    limit->set_hard(item["hard"].Unsigned(UINT64_MAX));
    if (limit->soft() > limit->hard()) item["soft"].Fail("is above hard");
  }
}

void ParseProcessObject(const Reader& r, control::Process* out) {
  if (!r.present()) return r.Fail("is missing");
  for (const Reader& arg : r["args"].Array()) out->add_args(CString(arg));
  if (out->args_size() == 0) return r["args"].Fail("must have at least one element");
  if (out->args(0).empty()) r["args"].Fail("the command is empty");
  for (const Reader& env : r["env"].Array()) {
    const std::string s = CString(env);
    if (s.find('=') == std::string::npos || s[0] == '=') {
      env.Fail("expected NAME=VALUE, got \"" + s + "\"");
    }
    out->add_env(s);
  }
  out->set_cwd(CString(r["cwd"]));
  if (out->cwd().empty()) {
    r["cwd"].Fail("is missing");
  } else if (out->cwd()[0] != '/') {
    r["cwd"].Fail("must be an absolute path, got \"" + out->cwd() + "\"");
  }
  const Reader user = r["user"];
  out->set_uid(static_cast<uint32_t>(user["uid"].Unsigned(kMaxId)));
  out->set_gid(static_cast<uint32_t>(user["gid"].Unsigned(kMaxId)));
  out->set_umask(static_cast<uint32_t>(user["umask"].Unsigned(0777, 022)));
  for (const Reader& gid : user["additionalGids"].Array()) {
    out->add_additional_gids(static_cast<uint32_t>(gid.Unsigned(kMaxId)));
  }
  if (r["capabilities"].present()) {
    ParseCapabilities(r["capabilities"], out->mutable_capabilities());
  }
  ParseRlimits(r["rlimits"], out);
  out->set_no_new_privileges(r["noNewPrivileges"].Bool());
  out->set_oom_score_adj(static_cast<int32_t>(r["oomScoreAdj"].Signed(-1000, 1000)));
  out->set_terminal(r["terminal"].Bool());
  out->set_console_rows(static_cast<uint32_t>(r["consoleSize"]["height"].Unsigned(65535)));
  out->set_console_columns(static_cast<uint32_t>(r["consoleSize"]["width"].Unsigned(65535)));
}

void ParseMount(const Reader& r, control::Mount* out) {
  out->set_destination(CString(r["destination"]));
  if (out->destination().empty()) return r["destination"].Fail("is missing");
  // runc accepts relative ones with a warning, as below "/".
  if (out->destination()[0] != '/') out->set_destination("/" + out->destination());
  out->set_source(CString(r["source"]));
  std::string type = CString(r["type"]);
  const MountOptions options = ParseMountOptions(r["options"].Strings());
  if (options.bind || type == "bind" || type == "rbind") type = "bind";
  if (type.empty() || type == "none") return r["type"].Fail("is missing, and no bind option");
  constexpr std::string_view kTypes[] = {"bind",   "tmpfs",  "proc",   "sysfs",   "devpts",
                                         "mqueue", "cgroup", "cgroup2", "devtmpfs", "ramfs"};
  bool known = false;
  for (const auto t : kTypes) known = known || t == type;
  if (!known) r["type"].Fail("unknown file system \"" + type + "\"");
  if (type == "bind" && out->source().empty()) r["source"].Fail("is missing");
  if (type == "ramfs") type = "tmpfs";
  out->set_type(type);
  out->set_flags(options.flags);
  out->set_data(options.data);
  out->set_fd(-1);
  out->set_create_destination(true);
}

void ParseResourcesObject(const Reader& r, Resources* out) {
  auto read = [](const Reader& field, auto* target) {
    using T = typename std::remove_reference_t<decltype(*target)>::value_type;
    if (!field.present()) return;
    if constexpr (std::is_signed_v<T>) {
      *target = field.Signed(INT64_MIN, INT64_MAX);
    } else {
      *target = field.Unsigned(UINT64_MAX);
    }
  };
  read(r["memory"]["limit"], &out->memory_limit);
  read(r["memory"]["swap"], &out->memory_swap);
  read(r["memory"]["reservation"], &out->memory_reservation);
  read(r["cpu"]["shares"], &out->cpu_shares);
  read(r["cpu"]["period"], &out->cpu_period);
  read(r["cpu"]["quota"], &out->cpu_quota);
  out->cpus = CString(r["cpu"]["cpus"]);
  out->mems = CString(r["cpu"]["mems"]);
  read(r["pids"]["limit"], &out->pids_limit);
}

void ParseLinux(const Reader& r, Spec* out) {
  out->cgroups_path = CString(r["cgroupsPath"]);
  ParseResourcesObject(r["resources"], &out->resources);
  for (const auto& [name, value] : r["sysctl"].Fields()) out->sysctls[name] = CString(value);
  for (const Reader& ns : r["namespaces"].Array()) {
    Spec::Namespace n{ns["type"].String(), CString(ns["path"])};
    constexpr std::string_view kTypes[] = {"pid", "network", "mount",  "ipc",
                                           "uts", "user",    "cgroup", "time"};
    bool known = false;
    for (const auto t : kTypes) known = known || t == n.type;
    if (!known) ns["type"].Fail("unknown namespace \"" + n.type + "\"");
    out->namespaces.push_back(std::move(n));
  }
  out->seccomp = ParseSeccomp(r["seccomp"]);
  for (const Reader& p : r["maskedPaths"].Array()) out->container.add_masked_paths(CString(p));
  for (const Reader& p : r["readonlyPaths"].Array()) out->container.add_readonly_paths(CString(p));
}

void CheckVersion(const Reader& r, Spec* out) {
  out->oci_version = r.String();
  if (!r.present()) return r.Fail("is missing");
  if (out->oci_version.rfind("1.", 0) != 0) {
    r.Fail("version \"" + out->oci_version + "\" is not supported (1.x is)");
  }
}

void ParseHooks(const Reader& r, Spec* out) {
  for (const char* stage : {"prestart", "createRuntime", "createContainer", "startContainer",
                            "poststart", "poststop"}) {
    for (const Reader& item : r[stage].Array()) {
      Hook hook;
      hook.path = CString(item["path"]);
      if (hook.path.empty() || hook.path[0] != '/') item["path"].Fail("must be an absolute path");
      for (const Reader& arg : item["args"].Array()) hook.args.push_back(CString(arg));
      for (const Reader& env : item["env"].Array()) hook.env.push_back(CString(env));
      hook.timeout_seconds = static_cast<int>(item["timeout"].Unsigned(1 << 30));
      out->hooks[stage].push_back(std::move(hook));
    }
  }
}

Failure SpecFailure(const std::string& why) { return Failure{"config.json: " + why}; }

// `what` begins the message.
Outcome<Reader::Json> ParseJson(std::string_view text, const std::string& what) {
  try {  // The one way to learn where the syntax error is.
    return Reader::Json::parse(text);
  } catch (const Reader::Json::parse_error& e) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i + 1 < e.byte && i < text.size(); ++i) {
      ++column;
      if (text[i] == '\n') ++line, column = 1;
    }
    return Failure{what + ": line " + std::to_string(line) + ", column " +
                   std::to_string(column) + ": not valid JSON"};
  }
}

}  // namespace

Outcome<control::Process> ParseProcess(std::string_view text) {
  auto json = ParseJson(text, "the process");
  if (!json.ok()) return json.failure();
  std::string error;
  control::Process process;
  ParseProcessObject(Reader(*json, "process", &error), &process);
  if (!error.empty()) return Failure{error};
  return process;
}

control::Resources ToMessage(const Resources& r) {
  control::Resources out;
  if (r.memory_limit) out.set_memory(*r.memory_limit);
  if (r.memory_swap) out.set_memory_and_swap(*r.memory_swap);
  if (r.memory_reservation) out.set_memory_reservation(*r.memory_reservation);
  if (r.cpu_quota) out.set_cpu_quota_us(*r.cpu_quota);
  if (r.cpu_period) out.set_cpu_period_us(*r.cpu_period);
  if (r.cpu_shares) out.set_cpu_shares(*r.cpu_shares);
  if (r.pids_limit) out.set_pids(*r.pids_limit);
  out.set_cpus(r.cpus);
  out.set_mems(r.mems);
  return out;
}

Outcome<Resources> ParseResources(std::string_view text) {
  auto json = ParseJson(text, "the resources");
  if (!json.ok()) return json.failure();
  std::string error;
  Resources resources;
  ParseResourcesObject(Reader(*json, "resources", &error), &resources);
  if (!error.empty()) return Failure{error};
  return resources;
}

Outcome<Spec> Parse(std::string_view text) {
  auto json = ParseJson(text, "config.json");
  if (!json.ok()) return json.failure();
  std::string error;
  const Reader r(*json, "", &error);
  Spec spec;
  CheckVersion(r["ociVersion"], &spec);
  ParseProcessObject(r["process"], spec.container.mutable_process());
  spec.root_path = CString(r["root"]["path"]);
  if (!r["root"].present()) r["root"].Fail("is missing");
  if (spec.root_path.empty()) r["root"]["path"].Fail("is missing");
  control::Root* root = spec.container.mutable_root();
  root->set_readonly(r["root"]["readonly"].Bool());
  root->set_fd(-1);
  spec.container.set_hostname(CString(r["hostname"]));
  spec.container.set_domainname(CString(r["domainname"]));
  for (const auto* name : {"hostname", "domainname"}) {
    if (r[name].String().size() > 64) r[name].Fail("is longer than 64 bytes");
  }
  for (const Reader& m : r["mounts"].Array()) ParseMount(m, spec.container.add_mounts());
  ParseLinux(r["linux"], &spec);
  ParseHooks(r["hooks"], &spec);
  for (const auto& [name, value] : r["annotations"].Fields()) {
    spec.annotations[name] = value.String();
  }
  if (!error.empty()) return SpecFailure(error);
  return spec;
}

Outcome<Spec> Load(const std::string& bundle) {
  const std::string path = bundle + "/config.json";
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FailureFromErrno("reading " + path, errno);
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0) return FailureFromErrno("reading " + path, errno);
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > (16 << 20)) return Failure{path + " is larger than 16 MiB"};
  }
  Outcome<Spec> spec = Parse(text);
  if (!spec.ok()) return spec;
  spec->text = std::move(text);
  auto make_absolute = [&bundle](std::string path) {
    return path[0] == '/' ? path : bundle + "/" + path;
  };
  spec->root_path = make_absolute(spec->root_path);
  spec->container.mutable_root()->set_source(spec->root_path);
  for (auto& m : *spec->container.mutable_mounts()) {
    if (m.type() == "bind") m.set_source(make_absolute(m.source()));
  }
  return spec;
}

}  // namespace cvisor::runsc::spec
