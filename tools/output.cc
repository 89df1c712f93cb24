// SPDX-License-Identifier: Apache-2.0
#include "tools/output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include "tools/command.h"

namespace skep::tools {

namespace {

constexpr std::string_view kColours[] = {"\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"};

// Escapes control characters that are not in `allowed` and start no colour of ours.
std::string Clean(std::string_view text, std::string_view allowed, bool colours) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = byte < 0x20 || byte == 0x7f;
    const bool colour =
        colours && std::any_of(std::begin(kColours), std::end(kColours),
                               [&](std::string_view c) { return text.substr(i).starts_with(c); });
    if (!control || colour || allowed.find(text[i]) != std::string_view::npos) {
      out += text[i];
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    out += escaped;
  }
  return out;
}

void PrintLines(const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "skep: %s\n", text.c_str());
}

}  // namespace

void PrintError(std::string_view message) { PrintLines(Clean(message, "\t", false)); }

void PrintReport(std::string_view message) { PrintLines(Clean(message, "\t\n", IsTerminal())); }

int Fail(const Error& error) {
  PrintError(error.message);
  return kBadInput;
}

int Write(const std::string& raw, int status) {
  const std::string text = Clean(raw, "\t\n", IsTerminal());
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) {
    PrintError(std::string("standard output: ") + std::strerror(errno));
    return kBadInput;
  }
  return status;
}

int WriteJson(const Json& json, int status) {
  // Names come from hostile objects: bytes that are no UTF-8 are replaced.
  return Write(json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n", status);
}

bool IsTerminal() {
  static const bool kTerminal = isatty(STDOUT_FILENO) == 1;
  return kTerminal;
}

namespace {
std::string Paint(const char* code, std::string_view text) {
  if (!IsTerminal()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}
}  // namespace

std::string Bold(std::string_view text) { return Paint("1", text); }
std::string Red(std::string_view text) { return Paint("31", text); }
std::string Green(std::string_view text) { return Paint("32", text); }

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string Hex(const std::byte* data, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (size_t i = 0; i < size; ++i) {
    out += kDigits[std::to_integer<int>(data[i]) >> 4];
    out += kDigits[std::to_integer<int>(data[i]) & 15];
  }
  return out;
}

Progress::Progress(std::string what, size_t total)
    : what_(std::move(what)), total_(total), shown_(isatty(STDERR_FILENO) == 1 && total > 1) {}

Progress::~Progress() {
  if (shown_) std::fprintf(stderr, "\r\x1b[K");
}

void Progress::Step() {
  ++done_;
  if (shown_ && (done_ % std::max<size_t>(total_ / 100, 1) == 0)) {
    std::fprintf(stderr, "\r%s %zu of %zu\x1b[K", what_.c_str(), done_, total_);
    std::fflush(stderr);
  }
}

}  // namespace skep::tools
