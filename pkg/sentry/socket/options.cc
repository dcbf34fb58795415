// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// getsockopt(2) and setsockopt(2) at level SOL_SOCKET.

#include "pkg/sentry/socket/options.h"

#include <sys/time.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "pkg/sentry/socket/socket.h"

namespace cvisor::socket {
namespace {

// Newer than the C library's headers.
constexpr int kSoTimestampNew = 63;
constexpr int kSoTimestampNsNew = 64;
constexpr int kSoRcvTimeoNew = 66;
constexpr int kSoSndTimeoNew = 67;

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsPerUs = 1'000;
// Longer timeouts are as good as none.
constexpr int64_t kMaxTimeoutSeconds = INT64_MAX / kNsPerSecond / 2;

template <typename T>
std::string Bytes(const T& v) {
  return std::string(reinterpret_cast<const char*>(&v), sizeof(v));
}
std::string IntBytes(int v) { return Bytes(v); }

template <typename T>
Result<T> Parse(std::span<const std::byte> value) {
  if (value.size() < sizeof(T)) return Errno::kEINVAL;
  T v;
  std::memcpy(&v, value.data(), sizeof(T));
  return v;
}

std::string TimeoutBytes(int64_t ns) {
  timeval tv{};
  if (ns > 0) {
    tv.tv_sec = ns / kNsPerSecond;
    tv.tv_usec = ns % kNsPerSecond / kNsPerUs;
  }
  return Bytes(tv);
}

Result<int64_t> ParseTimeout(std::span<const std::byte> value) {
  ASSIGN_OR_RETURN(const timeval tv, Parse<timeval>(value));
  if (tv.tv_usec < 0 || tv.tv_usec >= 1'000'000) return Errno::kEDOM;
  if (tv.tv_sec < 0) return int64_t{0};
  if ((tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec > kMaxTimeoutSeconds) return int64_t{-1};
  return tv.tv_sec * kNsPerSecond + tv.tv_usec * kNsPerUs;
}

int BufferSize(int asked, int limit, int smallest) {
  // As Linux: an int compared as unsigned to the limit, then doubled for the bookkeeping.
  const auto clamped = std::min(static_cast<unsigned>(asked), static_cast<unsigned>(limit));
  return std::max(static_cast<int>(std::min<unsigned>(clamped, INT_MAX / 2)) * 2, smallest);
}

std::atomic<bool>* Flag(SocketOptions& o, int name) {
  switch (name) {
    case SO_REUSEADDR:
      return &o.reuseaddr;
    case SO_REUSEPORT:
      return &o.reuseport;
    case SO_KEEPALIVE:
      return &o.keepalive;
    case SO_BROADCAST:
      return &o.broadcast;
    case SO_DEBUG:
      return &o.debug;
    case SO_DONTROUTE:
      return &o.dontroute;
    case SO_OOBINLINE:
      return &o.oobinline;
    case SO_NO_CHECK:
      return &o.no_check;
    case SO_RXQ_OVFL:
      return &o.rxq_ovfl;
    case SO_PASSCRED:
      return &o.passcred;
    case SO_PASSSEC:
      return &o.passsec;
    default:
      return nullptr;
  }
}

}  // namespace

Result<std::string> Socket::GetSockOpt(const SocketCaller&, int level, int name) {
  if (level != SOL_SOCKET) return Errno::kEOPNOTSUPP;
  SocketOptions& o = options();
  if (const auto* flag = Flag(o, name)) return IntBytes(flag->load());
  switch (name) {
    case SO_TYPE:
      return IntBytes(type_);
    case SO_DOMAIN:
      return IntBytes(family_);
    case SO_PROTOCOL:
      return IntBytes(protocol_);
    case SO_ERROR:
      return IntBytes(static_cast<int>(TakeError()));
    case SO_ACCEPTCONN:
      return IntBytes(listening());
    case SO_SNDBUF:
      return IntBytes(o.sndbuf);
    case SO_RCVBUF:
      return IntBytes(o.rcvbuf);
    case SO_RCVLOWAT:
      return IntBytes(o.rcvlowat);
    case SO_SNDLOWAT:
      return IntBytes(1);
    case SO_PRIORITY:
      return IntBytes(o.priority);
    case SO_MARK:
      return Bytes(o.mark.load());
    case SO_LINGER:
      return Bytes(linger{o.linger_on, o.linger_seconds});
    case SO_RCVTIMEO:
    case kSoRcvTimeoNew:
      return TimeoutBytes(o.rcvtimeo);
    case SO_SNDTIMEO:
    case kSoSndTimeoNew:
      return TimeoutBytes(o.sndtimeo);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case kSoTimestampNew:
    case kSoTimestampNsNew:
      return IntBytes(o.timestamp.load() == name);
    case SO_PEERCRED: {
      ucred none{};
      none.uid = static_cast<uid_t>(-1);
      none.gid = static_cast<gid_t>(-1);
      return Bytes(PeerCredentials().value_or(none));
    }
    case SO_PEERGROUPS: {
      const auto groups = PeerGroups();
      if (!groups.has_value()) return Errno::kENODATA;
      return std::string(reinterpret_cast<const char*>(groups->data()),
                         groups->size() * sizeof(gid_t));
    }
    default:
      return Errno::kENOPROTOOPT;
  }
}

Status Socket::SetSockOpt(const SocketCaller& caller, int level, int name,
                          std::span<const std::byte> value) {
  if (level != SOL_SOCKET) return Errno::kEOPNOTSUPP;
  SocketOptions& o = options();
  const auto capable = [&](int cap) {
    return caller.creds == nullptr || caller.creds->HasCap(cap);
  };
  switch (name) {  // those that are no int
    case SO_LINGER: {
      ASSIGN_OR_RETURN(const auto l, Parse<linger>(value));
      o.linger_on = l.l_onoff != 0;
      if (l.l_onoff != 0) o.linger_seconds = l.l_linger;
      return OkStatus();
    }
    case SO_RCVTIMEO:
    case kSoRcvTimeoNew: {
      ASSIGN_OR_RETURN(o.rcvtimeo, ParseTimeout(value));
      return OkStatus();
    }
    case SO_SNDTIMEO:
    case kSoSndTimeoNew: {
      ASSIGN_OR_RETURN(o.sndtimeo, ParseTimeout(value));
      return OkStatus();
    }
    default:
      break;
  }
  ASSIGN_OR_RETURN(const int v, Parse<int>(value));
  switch (name) {
    case SO_DEBUG:
      if (v != 0 && !capable(CAP_NET_ADMIN)) return Errno::kEACCES;
      break;
    case SO_REUSEPORT:
      if (v != 0 && family_ != AF_INET && family_ != AF_INET6) return Errno::kEOPNOTSUPP;
      break;
    case SO_SNDBUFFORCE:
      if (!capable(CAP_NET_ADMIN)) return Errno::kEPERM;
      o.sndbuf = BufferSize(std::max(v, 0), INT_MAX / 2, kMinSendBuffer);
      OptionsChanged();
      return OkStatus();
    case SO_SNDBUF:
      o.sndbuf = BufferSize(v, kDefaultBuffer, kMinSendBuffer);
      OptionsChanged();
      return OkStatus();
    case SO_RCVBUFFORCE:
      if (!capable(CAP_NET_ADMIN)) return Errno::kEPERM;
      o.rcvbuf = BufferSize(std::max(v, 0), INT_MAX / 2, kMinReceiveBuffer);
      OptionsChanged();
      return OkStatus();
    case SO_RCVBUF:
      o.rcvbuf = BufferSize(v, kDefaultBuffer, kMinReceiveBuffer);
      OptionsChanged();
      return OkStatus();
    case SO_RCVLOWAT:
      o.rcvlowat = v < 0 ? INT_MAX : std::max(v, 1);
      OptionsChanged();
      return OkStatus();
    case SO_PRIORITY:
      if ((v < 0 || v > 6) && !capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW))
        return Errno::kEPERM;
      o.priority = v;
      return OkStatus();
    case SO_MARK:
      if (!capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW)) return Errno::kEPERM;
      o.mark = static_cast<uint32_t>(v);
      return OkStatus();
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case kSoTimestampNew:
    case kSoTimestampNsNew:
      o.timestamp = v != 0 ? name : 0;
      return OkStatus();
    default:
      break;
  }
  if (auto* flag = Flag(o, name)) {
    *flag = v != 0;
    return OkStatus();
  }
  return Errno::kENOPROTOOPT;
}

}  // namespace cvisor::socket
