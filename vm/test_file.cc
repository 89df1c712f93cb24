// SPDX-License-Identifier: Apache-2.0
#include "vm/test_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/assembler.h"
#include "isa/decode.h"
#include "model/map_type_info.h"
#include "vm/helper_symbols.h"
#include "vm/program_types.h"

namespace skep {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = Trim(line)).empty()) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

struct Line {
  size_t number = 0;
  std::string_view text;
};

// The lines below one `-- name` header.
struct Section {
  size_t line = 0;
  std::string_view name;
  std::string_view rest;  // behind the name, on the header's line
  std::vector<Line> lines;
};

// What only other runners of the conformance suite look at.
bool IsIgnored(std::string_view name) { return name == "c" || name == "no"; }

class TestSymbols final : public HelperSymbols {
 public:
  explicit TestSymbols(const std::vector<MapSpec>& maps) : maps_(maps) {}
  std::optional<int32_t> MapIndex(std::string_view name) const override {
    for (size_t i = 0; i < maps_.size(); ++i) {
      if (maps_[i].name == name) return static_cast<int32_t>(i);
    }
    return std::nullopt;
  }

 private:
  const std::vector<MapSpec>& maps_;
};

// Subprogram 0 and one for each target of a local call, as Linux finds them.
void SplitSubprograms(ProgramData& program) {
  const auto size = static_cast<uint32_t>(program.insns.size());
  std::vector<uint32_t> starts{0};
  for (uint32_t slot = 0; slot < size; ++slot) {
    DecodedInsn insn;
    if (DecodeInto(program.insns, slot, insn) != DecodeRule::kNone) continue;
    const OpKind kind = Info(insn.op).kind;
    if (kind == OpKind::kCallLocal || kind == OpKind::kLoadFunc) {
      const int64_t target = TargetOf(insn, slot);
      if (target > 0 && target < size) starts.push_back(static_cast<uint32_t>(target));
    }
    slot += static_cast<uint32_t>(insn.slots()) - 1;
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (size_t i = 0; i < starts.size(); ++i) {
    Subprogram sub;
    sub.name = i == 0 ? program.name : fmt::format("sub{}", i);
    sub.start = starts[i];
    sub.end = i + 1 < starts.size() ? starts[i + 1] : size;
    program.subprograms.push_back(std::move(sub));
  }
}

ProgramData EmptyProgram() {
  ProgramData program;
  program.name = "test";
  program.type = ProgramTypeId::kMemory;
  program.license = "GPL";
  return program;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Result<TestFile> Run() {
    out_.name = name_;
    out_.program = EmptyProgram();
    SKEP_TRY_VOID(Split());
    for (const Section& section : sections_) {
      if (section.name == "maps") SKEP_TRY_VOID(ParseMaps(section));
    }
    for (const Section& section : sections_) SKEP_TRY_VOID(ParseSection(section));
    SKEP_TRY_VOID(Finish());
    return std::move(out_);
  }

 private:
  Error Wrong(size_t line, std::string_view message) const {
    return Error{ErrorCode::kMalformedObject, fmt::format("{}:{}: {}", name_, line, message)};
  }

  Result<void> Split() {
    size_t number = 0;
    std::string_view rest = text_;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      ++number;
      const std::string_view trimmed = Trim(line);
      if (trimmed.starts_with("-- ") || trimmed == "--") {
        const std::string_view header = Trim(trimmed.substr(2));
        const size_t name_end = std::min(header.find(' '), header.size());
        sections_.push_back(
            {number, header.substr(0, name_end), Trim(header.substr(name_end)), {}});
      } else if (!sections_.empty()) {
        sections_.back().lines.push_back({number, line});
      } else if (!trimmed.empty() && !trimmed.starts_with('#')) {
        return Wrong(number, "text before the first section, expected '-- name'");
      }
    }
    return {};
  }

  // The lines without comments and blank ones.
  static std::vector<Line> Content(const Section& section) {
    std::vector<Line> out;
    for (const Line& line : section.lines) {
      const std::string_view text = Trim(line.text.substr(0, line.text.find('#')));
      if (!text.empty()) out.push_back({line.number, text});
    }
    return out;
  }

  Result<void> ParseSection(const Section& section) {
    if (section.name == "maps" || IsIgnored(section.name)) return {};
    if (section.name == "asm") return ParseAsm(section);
    if (section.name == "raw") return ParseRaw(section);
    if (section.name == "type") return ParseType(section);
    if (section.name == "mem") return ParseMemory(section);
    if (section.name == "result") return ParseResult(section);
    if (section.name == "accept") {
      out_.verdict = Expectation::kAccept;
      return {};
    }
    if (section.name == "reject") {
      out_.verdict = Expectation::kReject;
      if (!section.rest.empty()) out_.reject_texts.emplace_back(section.rest);
      for (const Line& line : section.lines) {
        const std::string_view text = Trim(line.text);
        if (!text.empty() && !text.starts_with('#')) out_.reject_texts.emplace_back(text);
      }
      return {};
    }
    if (section.name == "error") {
      out_.expect_error = true;
      return {};
    }
    return Wrong(section.line,
                 fmt::format("unknown section '{}', expected one of type, maps, asm, raw, mem, "
                             "accept, reject, result, error",
                             section.name));
  }

  Result<void> ParseType(const Section& section) {
    std::vector<Line> lines = Content(section);
    if (!section.rest.empty()) lines.insert(lines.begin(), {section.line, section.rest});
    if (lines.empty()) return Wrong(section.line, "no program type, expected a name such as xdp");
    const auto words = Words(lines.front().text);
    bool known = false;
    for (const ProgramType& type : BuiltinProgramTypes()) {
      if (type.name == words[0]) {
        out_.program.type = type.id;
        known = true;
      }
    }
    if (!known) {
      return Wrong(lines.front().number,
                   fmt::format("unknown program type '{}', expected a name such as xdp", words[0]));
    }
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "sleepable") {
        out_.program.sleepable = true;
        continue;
      }
      if (words[i] == "unprivileged") {
        out_.unprivileged = true;
        continue;
      }
      const auto number =
          words[i].starts_with("attach=") ? ParseNumber(words[i].substr(7)) : std::nullopt;
      if (!number || *number > UINT32_MAX) {
        return Wrong(
            lines.front().number,
            fmt::format("found '{}', expected attach=NUMBER, sleepable or unprivileged", words[i]));
      }
      out_.program.expected_attach_type = static_cast<uint32_t>(*number);
    }
    return {};
  }

  Result<void> ParseMaps(const Section& section) {
    for (const Line& line : Content(section)) {
      SKEP_TRY(auto spec, ParseMap(line));
      out_.program.maps.push_back(std::move(spec));
    }
    return {};
  }

  Result<MapSpec> ParseMap(const Line& line) const {
    const auto words = Words(line.text);
    if (words.size() < 2) {
      return Wrong(line.number,
                   "expected NAME TYPE key=N value=N entries=N [flags=N] [inner=NAME]");
    }
    MapSpec spec;
    spec.name = std::string(words[0]);
    const model::MapTypeInfo* type = model::FindMapType(words[1]);
    if (type == nullptr)
      return Wrong(line.number,
                   fmt::format("unknown map type '{}', expected a name such as hash", words[1]));
    spec.type = type->type;
    for (size_t i = 2; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string_view key = words[i].substr(0, equals);
      const std::string_view value =
          equals == std::string_view::npos ? std::string_view{} : words[i].substr(equals + 1);
      if (key == "inner") {
        for (const MapSpec& other : out_.program.maps) {
          if (other.name == value) spec.inner = std::make_shared<MapSpec>(other);
        }
        if (spec.inner == nullptr) {
          return Wrong(line.number,
                       fmt::format("no map '{}', expected one before this line", value));
        }
        continue;
      }
      uint32_t* field = key == "key"       ? &spec.key_size
                        : key == "value"   ? &spec.value_size
                        : key == "entries" ? &spec.max_entries
                        : key == "flags"   ? &spec.flags
                                           : nullptr;
      const auto number = ParseNumber(value);
      if (field == nullptr || !number || *number > UINT32_MAX) {
        return Wrong(line.number, fmt::format("found '{}', expected key=, value=, entries=, flags= "
                                              "with a number or inner=NAME",
                                              words[i]));
      }
      *field = static_cast<uint32_t>(*number);
    }
    return spec;
  }

  Result<void> ParseAsm(const Section& section) {
    std::string text(section.line, '\n');  // so that the assembler counts the file's lines
    for (const Line& line : section.lines) text.append(line.text).push_back('\n');
    const TestSymbols symbols(out_.program.maps);
    auto assembled = Assemble(text, &symbols);
    if (!assembled) {
      code_error_ = fmt::format("{}: {}", name_, assembled.error().message);
      return {};
    }
    asm_ = std::move(assembled->insns);
    have_asm_ = true;
    return {};
  }

  Result<void> ParseRaw(const Section& section) {
    for (const Line& line : Content(section)) {
      const auto word = ParseNumber(line.text);
      if (!word) {
        return Wrong(
            line.number,
            fmt::format("found '{}', expected one instruction as 0x and 16 hex digits", line.text));
      }
      Insn insn;
      std::memcpy(static_cast<void*>(&insn), &*word, sizeof insn);
      raw_.push_back(insn);
    }
    have_raw_ = true;
    return {};
  }

  Result<void> ParseMemory(const Section& section) {
    std::string text;
    for (const Line& line : Content(section)) text.append(line.text).push_back(' ');
    auto bytes = ParseHex(text);
    if (!bytes) return Wrong(section.line, bytes.error().message);
    out_.memory = *std::move(bytes);
    return {};
  }

  Result<void> ParseResult(const Section& section) {
    const auto lines = Content(section);
    const auto number = lines.size() == 1 ? ParseResultNumber(lines.front().text) : std::nullopt;
    if (!number) return Wrong(section.line, "expected one line with r0 in hex");
    out_.result = *number;
    return {};
  }

  // Results are hex, with or without 0x.
  static std::optional<uint64_t> ParseResultNumber(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) return ParseNumber(text);
    return ParseNumber(fmt::format("0x{}", text));
  }

  Result<void> Finish() {
    if (!have_asm_ && !have_raw_ && code_error_.empty()) {
      return Wrong(1, "no program, expected a section '-- asm' or '-- raw'");
    }
    if (code_error_.empty() && have_asm_ && have_raw_ && asm_ != raw_) {
      return Wrong(1, "the text in '-- asm' does not assemble to the words in '-- raw'");
    }
    out_.program.insns = have_raw_ ? std::move(raw_) : std::move(asm_);
    if (code_error_.empty()) SplitSubprograms(out_.program);
    if (!code_error_.empty()) {
      if (!out_.expect_error && out_.verdict != Expectation::kReject) {
        return Error{ErrorCode::kMalformedObject, code_error_};
      }
      out_.load_error = code_error_;
    }
    return {};
  }

  const std::string_view text_;
  const std::string& name_;
  std::vector<Section> sections_;
  TestFile out_;
  std::vector<Insn> asm_, raw_;
  bool have_asm_ = false, have_raw_ = false;
  std::string code_error_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::vector<std::byte>> ParseHex(std::string_view text) {
  std::vector<std::byte> out;
  for (size_t i = 0; i < text.size();) {
    if (std::strchr(" \t\r\n", text[i]) != nullptr && text[i] != '\0') {
      ++i;
      continue;
    }
    const int high = HexDigit(text[i]);
    const int low = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
    if (high < 0 || low < 0) {
      return Error{ErrorCode::kMalformedObject,
                   fmt::format("character {} of the hex bytes: expected two hex digits", i + 1)};
    }
    out.push_back(static_cast<std::byte>(high * 16 + low));
    i += 2;
  }
  return out;
}

Result<TestFile> TestFileFromCode(std::span<const std::byte> code,
                                  std::optional<std::vector<std::byte>> memory) {
  if (code.empty() || code.size() % sizeof(Insn) != 0) {
    return Error{ErrorCode::kMalformedObject,
                 fmt::format("program: {} bytes, expected a multiple of 8", code.size())};
  }
  TestFile file;
  file.program = EmptyProgram();
  file.program.insns.resize(code.size() / sizeof(Insn));
  std::memcpy(static_cast<void*>(file.program.insns.data()), code.data(), code.size());
  SplitSubprograms(file.program);
  file.memory = std::move(memory);
  return file;
}

Result<TestFile> TestFileFromAssembly(std::string_view text, const std::string& name) {
  TestFile file;
  file.name = name;
  file.program = EmptyProgram();
  const TestSymbols symbols(file.program.maps);
  auto assembled = Assemble(text, &symbols);
  if (!assembled) return std::move(assembled).error().At(name);
  file.program.insns = std::move(assembled->insns);
  SplitSubprograms(file.program);
  return file;
}

Result<TestFile> ParseTestFile(std::string_view text, const std::string& name) {
  return Parser(text, name).Run();
}

}  // namespace skep
