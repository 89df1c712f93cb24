// SPDX-License-Identifier: Apache-2.0
// What the tool prints. Results are collected and written to standard output at
// once, so that an error in the middle leaves no output that looks whole;
// messages go to standard error.

#ifndef SKEP_TOOLS_OUTPUT_H_
#define SKEP_TOOLS_OUTPUT_H_

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "skep/result.h"

namespace skep::tools {

using Json = nlohmann::ordered_json;

// Prints "skep: message" to standard error, one line: control characters, which
// come from hostile names, are shown as \\xNN.
void PrintError(std::string_view message);
// Prints the error so and returns kBadInput.
int Fail(const Error& error);
// The same with line breaks as they are.
void PrintReport(std::string_view message);

// Writes to standard output and flushes, control characters but tabs, line
// breaks and the colours below as \\xNN. Returns `status`, or kBadInput after a
// message if the reader is gone or the disk is full.
int Write(const std::string& text, int status);
int WriteJson(const Json& json, int status);

// Whether standard output is a terminal (colours, progress).
bool IsTerminal();
std::string Bold(std::string_view text);
std::string Red(std::string_view text);
std::string Green(std::string_view text);

// Columns lined up; the first row is the head.
std::string Table(const std::vector<std::vector<std::string>>& rows);

// Two hex digits a byte.
std::string Hex(const std::byte* data, size_t size);

// A line on standard error that says how far long work is; nothing unless that
// is a terminal.
class Progress {
 public:
  Progress(std::string what, size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Step();

 private:
  std::string what_;
  size_t total_;
  size_t done_ = 0;
  bool shown_;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_OUTPUT_H_
