// SPDX-License-Identifier: Apache-2.0
#include "tools/c_type_names.h"

#include <algorithm>
#include <set>
#include <utility>

namespace skep::tools {
namespace {

using Tokens = std::vector<std::string_view>;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
}
bool IsName(std::string_view token) { return IsWordByte(token[0]) && !IsDigit(token[0]); }

// One past the literal that starts at `at`.
size_t AfterLiteral(std::string_view text, size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != quote; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

// Words and single marks; lines of the preprocessor and literals are left out.
Tokens Split(std::string_view text) {
  Tokens tokens;
  bool line_start = true;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    size_t end = at + 1;
    if (c == '#' && line_start) {
      end = std::min(text.find('\n', at), text.size());
    } else if (c == '"' || c == '\'') {
      end = AfterLiteral(text, at);
    } else if (IsWordByte(c)) {
      while (end < text.size() && IsWordByte(text[end])) ++end;
      tokens.push_back(text.substr(at, end - at));
    } else if (!space) {
      tokens.push_back(text.substr(at, 1));
    }
    line_start = c == '\n' || (line_start && space);
    at = end;
  }
  return tokens;
}

// One past the bracket that closes the one at tokens[at].
size_t AfterGroup(const Tokens& tokens, size_t at, std::string_view open, std::string_view close) {
  int depth = 0;
  for (; at < tokens.size(); ++at) {
    if (tokens[at] == open) ++depth;
    if (tokens[at] == close && --depth == 0) return at + 1;
  }
  return at;
}

// Without attributes and the bodies of functions.
Tokens Declarations(const Tokens& tokens) {
  Tokens out;
  for (size_t at = 0; at < tokens.size();) {
    const std::string_view token = tokens[at];
    const bool group = at + 1 < tokens.size() && tokens[at + 1] == "(";
    if (group && (token == "__attribute__" || token == "__attribute" || token == "_Alignas" ||
                  token == "__asm__" || token == "asm")) {
      at = AfterGroup(tokens, at + 1, "(", ")");
    } else if (token == "{" && !out.empty() && out.back() == ")") {
      at = AfterGroup(tokens, at, "{", "}");
      out.push_back(";");
    } else {
      if (token != "__extension__") out.push_back(token);
      ++at;
    }
  }
  return out;
}

// The names that the typedef at tokens[at] gives: of each declarator, the one behind
// "(*", or the last one in front of parameters, lengths and the end.
std::vector<std::string_view> TypedefNames(const Tokens& tokens, size_t at) {
  std::vector<std::string_view> names;
  std::string_view name;
  bool done = false;
  const auto end = [&] {
    if (!name.empty()) names.push_back(name);
    name = {};
    done = false;
  };
  for (++at; at < tokens.size() && tokens[at] != ";"; ++at) {
    const std::string_view token = tokens[at];
    if (token == "{") {
      at = AfterGroup(tokens, at, "{", "}") - 1;
    } else if (token == "(" && !done) {
      // Of a pointer to a function or an array: "(*name)".
      const size_t close = AfterGroup(tokens, at, "(", ")") - 1;
      const bool typeof_group = at > 0 && tokens[at - 1].find("typeof") != std::string_view::npos;
      if (at + 2 < tokens.size() && tokens[at + 1] == "*" && !typeof_group) {
        for (size_t i = at + 1; i < close; ++i) {
          if (IsName(tokens[i])) name = tokens[i];
          if (tokens[i] == "(" || tokens[i] == "[") break;
        }
      }
      done = !typeof_group;
      at = close;
    } else if (token == "(") {
      at = AfterGroup(tokens, at, "(", ")") - 1;
    } else if (token == "[") {
      done = true;
      at = AfterGroup(tokens, at, "[", "]") - 1;
    } else if (token == ",") {
      end();
    } else if (IsName(token) && !done) {
      name = token;
    }
  }
  end();
  if (at >= tokens.size()) names.clear();  // not even an end
  return names;
}

}  // namespace

std::vector<std::string> CTypeNames(std::string_view preprocessed) {
  const Tokens tokens = Declarations(Split(preprocessed));
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](std::string name) {
    if (seen.insert(name).second) names.push_back(std::move(name));
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    const bool tagged = token == "struct" || token == "union" || token == "enum";
    if (tagged && i + 2 < tokens.size() && IsName(tokens[i + 1]) &&
        (tokens[i + 2] == "{" || (token == "enum" && tokens[i + 2] == ":"))) {
      add(std::string(token) + " " + std::string(tokens[i + 1]));
    }
    if (token == "typedef") {
      for (const std::string_view name : TypedefNames(tokens, i)) add(std::string(name));
    }
  }
  return names;
}

}  // namespace skep::tools
