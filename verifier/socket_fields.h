// SPDX-License-Identifier: Apache-2.0
// Which loads programs may make from sockets as Linux shows them: struct
// bpf_sock, bpf_tcp_sock and bpf_xdp_sock of its user interface.
//
// Threads: pure functions.

#ifndef SKEP_VERIFIER_SOCKET_FIELDS_H_
#define SKEP_VERIFIER_SOCKET_FIELDS_H_

#include <cstdint>

#include "verifier/state.h"

namespace skep::verifier {

// True if `size` bytes at byte `off` may be loaded from a kSocket, kSockCommon,
// kTcpSock or kXdpSock. REQUIRES: size is 1, 2, 4 or 8.
bool SocketFieldReadable(RegKind kind, int64_t off, int size);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_SOCKET_FIELDS_H_
