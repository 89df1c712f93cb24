// SPDX-License-Identifier: Apache-2.0
#include "verifier/writable_fields.h"

#include <optional>

namespace skep::verifier {
namespace {

using btf::Btf;
using btf::Kind;

struct Writable {
  std::string_view structure;
  std::string_view holder;  // the structure at byte 0 of it that has the field
  std::string_view field;   // with dots between nested ones
  bool inside;              // stores may start anywhere in it
};
constexpr Writable kWritable[] = {
    {"tcp_sock", "sock", "sk_pacing_rate", false},
    {"tcp_sock", "sock", "sk_pacing_status", false},
    {"tcp_sock", "inet_connection_sock", "icsk_ca_priv", true},
    {"tcp_sock", "inet_connection_sock", "icsk_ack.pending", false},
    {"tcp_sock", "tcp_sock", "snd_cwnd", false},
    {"tcp_sock", "tcp_sock", "snd_cwnd_cnt", false},
    {"tcp_sock", "tcp_sock", "snd_cwnd_stamp", false},
    {"tcp_sock", "tcp_sock", "snd_ssthresh", false},
    {"tcp_sock", "tcp_sock", "ecn_flags", false},
    {"tcp_sock", "tcp_sock", "app_limited", false},
    {"nf_conn", "nf_conn", "mark", false},
    {"nf_conn___init", "nf_conn", "mark", false},
};

struct Place {
  uint32_t begin = 0;
  uint32_t size = 0;
  uint32_t type = 0;
};

constexpr int kMaxAnonymous = 8;

// A member by name, also inside members without one.
std::optional<Place> FindMember(const Btf& btf, uint32_t id, std::string_view name, int depth) {
  const Kind kind = btf.kind(id);
  if ((kind != Kind::kStruct && kind != Kind::kUnion) || depth == 0) return std::nullopt;
  const uint32_t count = btf.type(id).vlen;
  for (uint32_t i = 0; i < count; ++i) {
    const btf::Member m = btf.member(id, i);
    const uint32_t type = btf.SkipModifiers(m.type);
    if (m.name == name && m.bitfield_size == 0) {
      return Place{m.bit_offset / 8, btf.SizeOf(type).value_or(0), type};
    }
    if (!m.name.empty()) continue;
    if (auto inner = FindMember(btf, type, name, depth - 1)) {
      inner->begin += m.bit_offset / 8;
      return inner;
    }
  }
  return std::nullopt;
}

std::optional<Place> FindPath(const Btf& btf, uint32_t id, std::string_view path) {
  const size_t dot = path.find('.');
  auto place = FindMember(btf, id, path.substr(0, dot), kMaxAnonymous);
  if (!place || dot == std::string_view::npos) return place;
  auto inner = FindPath(btf, place->type, path.substr(dot + 1));
  if (inner) inner->begin += place->begin;
  return inner;
}

}  // namespace

WritableField FindWritableField(const Btf& btf, uint32_t id, std::string_view structure,
                                uint32_t off) {
  for (const Writable& w : kWritable) {
    if (w.structure != structure) continue;
    const uint32_t holder = w.holder == structure ? id : btf.Find(w.holder, Kind::kStruct);
    if (holder == 0) continue;
    const auto place = FindPath(btf, holder, w.field);
    if (!place) continue;
    const uint32_t end = place->begin + place->size;
    if (off == place->begin || (w.inside && off > place->begin && off < end)) return {true, end};
  }
  return {};
}

}  // namespace skep::verifier
