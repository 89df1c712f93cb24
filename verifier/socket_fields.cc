// SPDX-License-Identifier: Apache-2.0
#include "verifier/socket_fields.h"

namespace skep::verifier {
namespace {

// A run of bytes of struct bpf_sock at which a load may start.
struct SocketField {
  uint8_t begin, end;  // bytes at which loads may start: begin .. end - 1
  uint8_t narrow;      // loads of 1, 2, ... up to this many bytes; 0 for 4 alone
  bool common;         // also of struct bpf_sock_common
};
constexpr int64_t kSockSize = 80;
// The byte in front of narrow single fields is the only one where they start:
// other bytes of them cannot be loaded.
constexpr SocketField kSock[] = {
    {0, 1, 0, true},     // bound_dev_if
    {4, 5, 4, true},     // family
    {8, 9, 4, false},    // type
    {12, 13, 4, false},  // protocol
    {16, 17, 0, false},  // mark
    {20, 21, 0, false},  // priority
    {24, 28, 4, true},   // src_ip4
    {28, 44, 4, true},   // src_ip6
    {44, 45, 4, true},   // src_port
    {48, 50, 2, true},   // dst_port: see below
    {52, 56, 4, true},   // dst_ip4
    {56, 72, 4, true},   // dst_ip6
    {72, 73, 4, true},   // state
    {76, 77, 4, true},   // rx_queue_mapping
};
constexpr int64_t kDestinationPort = 48;

constexpr int64_t kTcpSockSize = 112;
constexpr int64_t kBytesReceived = 80;  // the two fields of 8 bytes
constexpr int64_t kBytesAcked = 88;
constexpr int64_t kXdpSockSize = 4;

bool SockReadable(int64_t off, int size, bool common) {
  if (off >= kSockSize) return false;
  for (const SocketField& field : kSock) {
    if (off < field.begin || off >= field.end) continue;
    if (common && !field.common) return false;
    // Two bytes long, but loads of 4 were always allowed.
    if (off == kDestinationPort && size == 4) return true;
    return field.narrow == 0 ? size == 4 : size <= field.narrow;
  }
  return false;
}

}  // namespace

bool SocketFieldReadable(RegKind kind, int64_t off, int size) {
  if (off < 0 || off % size != 0) return false;
  if (kind == RegKind::kSocket) return SockReadable(off, size, false);
  if (kind == RegKind::kSockCommon) return SockReadable(off, size, true);
  if (kind == RegKind::kTcpSock) {
    if (off >= kTcpSockSize) return false;
    return size == (off == kBytesReceived || off == kBytesAcked ? 8 : 4);
  }
  return kind == RegKind::kXdpSock && off < kXdpSockSize && size == 4;
}

}  // namespace skep::verifier
