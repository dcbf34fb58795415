// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/netlink/route.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "pkg/sentry/socket/netlink/host_query.h"

namespace cvisor::socket::netlink {
namespace {

constexpr size_t kMaxAttribute = 256;

// Attributes that the application may see. None of them is nested.
constexpr uint16_t kLinkShown[] = {
    IFLA_ADDRESS,         IFLA_BROADCAST, IFLA_IFNAME,       IFLA_MTU,          IFLA_LINK,
    IFLA_QDISC,           IFLA_STATS,     IFLA_STATS64,      IFLA_TXQLEN,       IFLA_MAP,
    IFLA_OPERSTATE,       IFLA_LINKMODE,  IFLA_GROUP,        IFLA_MASTER,       IFLA_NUM_TX_QUEUES,
    IFLA_NUM_RX_QUEUES,   IFLA_CARRIER,   IFLA_PROMISCUITY,  IFLA_MIN_MTU,      IFLA_MAX_MTU,
    IFLA_CARRIER_CHANGES, IFLA_IFALIAS,   IFLA_LINK_NETNSID, IFLA_GSO_MAX_SEGS, IFLA_GSO_MAX_SIZE,
};
constexpr uint16_t kAddressShown[] = {IFA_ADDRESS,   IFA_LOCAL,     IFA_LABEL, IFA_BROADCAST,
                                      IFA_ANYCAST,   IFA_CACHEINFO, IFA_FLAGS, IFA_RT_PRIORITY,
                                      IFA_MULTICAST, IFA_PROTO};
constexpr uint16_t kRouteShown[] = {RTA_DST,      RTA_SRC,     RTA_IIF,   RTA_OIF,  RTA_GATEWAY,
                                    RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE, RTA_MARK, RTA_CACHEINFO,
                                    RTA_PREF,     RTA_UID,     RTA_FLOW};
constexpr uint16_t kRuleShown[] = {
    FRA_DST,   FRA_SRC,    FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK,
    FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_PROTOCOL, FRA_SUPPRESS_PREFIXLEN};
constexpr uint16_t kNeighbourShown[] = {NDA_DST, NDA_LLADDR, NDA_CACHEINFO, NDA_PROBES};

// Attributes of questions.
constexpr uint16_t kLinkAsked[] = {IFLA_IFNAME, IFLA_ALT_IFNAME};
constexpr uint16_t kRouteAsked[] = {RTA_DST, RTA_SRC, RTA_OIF, RTA_IIF, RTA_TABLE};

struct Kind {
  uint16_t get, reply;
  size_t size;  // of the struct that begins the payload
  std::span<const uint16_t> shown, asked;
};
constexpr Kind kKinds[] = {
    {RTM_GETLINK, RTM_NEWLINK, sizeof(ifinfomsg), kLinkShown, kLinkAsked},
    {RTM_GETADDR, RTM_NEWADDR, sizeof(ifaddrmsg), kAddressShown, {}},
    {RTM_GETROUTE, RTM_NEWROUTE, sizeof(rtmsg), kRouteShown, kRouteAsked},
    {RTM_GETRULE, RTM_NEWRULE, sizeof(fib_rule_hdr), kRuleShown, {}},
    {RTM_GETNEIGH, RTM_NEWNEIGH, sizeof(ndmsg), kNeighbourShown, {}},
};

bool Has(std::span<const uint16_t> set, uint16_t type) {
  return std::find(set.begin(), set.end(), type) != set.end();
}

// The fields that choose what is asked for; the rest is zero.
std::string RequestHead(const Kind& kind, std::string_view payload) {
  std::string head(kind.size, '\0');
  head[0] = payload[0];  // the address family, in all five
  if (payload.size() < kind.size) return head;
  if (kind.get == RTM_GETLINK) {
    ifinfomsg in{}, out{};
    std::memcpy(&in, payload.data(), sizeof(in));
    out.ifi_family = in.ifi_family;
    out.ifi_index = in.ifi_index;
    std::memcpy(head.data(), &out, sizeof(out));
  } else if (kind.get == RTM_GETROUTE) {
    rtmsg in{}, out{};
    std::memcpy(&in, payload.data(), sizeof(in));
    out.rtm_family = in.rtm_family;
    out.rtm_dst_len = in.rtm_dst_len;
    out.rtm_src_len = in.rtm_src_len;
    out.rtm_flags = in.rtm_flags & (RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH | RTM_F_CLONED);
    std::memcpy(head.data(), &out, sizeof(out));
  }
  return head;
}

void CopyAttributes(std::string_view from, std::span<const uint16_t> allowed, Builder* to) {
  while (const auto a = NextAttribute(&from)) {
    if (Has(allowed, a->type) && a->data.size() <= kMaxAttribute) {
      to->AppendAttribute(a->type, a->data);
    }
  }
}

// One datagram of the host's as one of ours. *error: what the host said instead of an answer.
std::string Rebuild(const Kind& kind, std::string_view datagram, const nlmsghdr& request,
                    uint32_t port, Errno* error) {
  Builder out;
  while (const auto m = NextMessage(&datagram)) {
    const uint16_t flags =
        m->header.nlmsg_flags & (NLM_F_MULTI | NLM_F_DUMP_INTR | NLM_F_DUMP_FILTERED);
    if (m->header.nlmsg_type == NLMSG_DONE) {
      const int zero = 0;
      out.Begin(NLMSG_DONE, NLM_F_MULTI, request.nlmsg_seq, port);
      out.Append(&zero, sizeof(zero));
    } else if (m->header.nlmsg_type == NLMSG_ERROR && m->payload.size() >= sizeof(int)) {
      int code;
      std::memcpy(&code, m->payload.data(), sizeof(code));
      *error = static_cast<Errno>(-code);
    } else if (m->header.nlmsg_type == kind.reply && m->payload.size() >= kind.size) {
      out.Begin(kind.reply, flags, request.nlmsg_seq, port);
      out.Append(m->payload.data(), kind.size);
      CopyAttributes(m->payload.substr(std::min<size_t>(NLMSG_ALIGN(kind.size), m->payload.size())),
                     kind.shown, &out);
    }
  }
  return out.Take();
}

}  // namespace

Result<std::vector<std::string>> AnswerRoute(const Message& request, uint32_t port) {
  const uint16_t type = request.header.nlmsg_type;
  // rtnetlink's numbers: of each group of four the third is the question.
  if (type < RTM_BASE) return Errno::kEOPNOTSUPP;
  if ((type - RTM_BASE) % 4 != 2) return Errno::kEPERM;
  const auto kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                 [type](const Kind& k) { return k.get == type; });
  if (kind == std::end(kKinds)) return Errno::kEOPNOTSUPP;
  if (request.payload.empty()) return Errno::kEINVAL;
  const bool dump = (request.header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  // Single questions exist for links and routes.
  if (!dump && kind->asked.empty()) return Errno::kEOPNOTSUPP;

  Builder question;
  question.Begin(type, dump ? NLM_F_REQUEST | NLM_F_DUMP : NLM_F_REQUEST, 1, 0);
  const std::string head = RequestHead(*kind, request.payload);
  question.Append(head.data(), head.size());
  if (request.payload.size() > NLMSG_ALIGN(kind->size)) {
    CopyAttributes(request.payload.substr(NLMSG_ALIGN(kind->size)), kind->asked, &question);
  }
  ASSIGN_OR_RETURN(const auto answer, QueryHost(question.Take(), dump));
  std::vector<std::string> out;
  for (const std::string& datagram : answer) {
    Errno error = Errno::kOk;
    std::string rebuilt = Rebuild(*kind, datagram, request.header, port, &error);
    if (error != Errno::kOk) return error;
    if (!rebuilt.empty()) out.push_back(std::move(rebuilt));
  }
  return out;
}

}  // namespace cvisor::socket::netlink
