// SPDX-License-Identifier: Apache-2.0
// The child writes records to a pipe: a letter (S: stage, R: result), the length
// of what follows, and that.
#include "tools/isolated.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace skep::tools {
namespace {

using Clock = std::chrono::steady_clock;

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t done = write(fd, data, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    data += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

void WriteRecord(int fd, char kind, const std::string& text) {
  std::string record(1, kind);
  const auto size = static_cast<uint32_t>(text.size());
  record.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
  // A parent that is gone needs no result.
  static_cast<void>(WriteAll(fd, record.data(), record.size()));
}

void TakeRecords(std::string_view bytes, IsolatedOutcome& out) {
  constexpr size_t kHead = 1 + sizeof(uint32_t);
  while (bytes.size() >= kHead) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data() + 1, sizeof size);
    if (bytes.size() - kHead < size) return;
    (bytes[0] == 'R' ? out.result : out.stage) = bytes.substr(kHead, size);
    bytes.remove_prefix(kHead + size);
  }
}

// All that comes until the child closes its end or the time is up: then false.
bool ReadUntil(int fd, Clock::time_point deadline, std::string& bytes) {
  char buffer[65536];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    bytes.append(buffer, static_cast<size_t>(got));
  }
}

Error ForkError(const char* what) {
  const int code = errno;
  return Error{ErrorCode::kSystem, std::string(what) + ": " + std::strerror(code), code};
}

}  // namespace

Result<IsolatedOutcome> RunIsolated(const std::function<std::string(const Stage&)>& work,
                                    uint32_t seconds) {
  int ends[2];
  if (pipe(ends) != 0) return ForkError("pipe");
  const pid_t child = fork();
  if (child < 0) {
    const Error error = ForkError("fork");
    close(ends[0]);
    close(ends[1]);
    return error;
  }
  if (child == 0) {
    close(ends[0]);
    WriteRecord(ends[1], 'R',
                work([&](const std::string& name) { WriteRecord(ends[1], 'S', name); }));
    _exit(0);
  }
  close(ends[1]);
  std::string bytes;
  const bool ended = ReadUntil(ends[0], Clock::now() + std::chrono::seconds(seconds), bytes);
  close(ends[0]);
  if (!ended) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  IsolatedOutcome out;
  TakeRecords(bytes, out);
  if (!out.result.empty()) return out;
  out.ended = !ended                ? "took more than " + std::to_string(seconds) + " s"
              : WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                                    : "ended without a result";
  return out;
}

}  // namespace skep::tools
