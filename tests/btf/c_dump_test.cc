// SPDX-License-Identifier: Apache-2.0
// C made of BTF compiles, and what compilers make of it has the sizes and offsets
// of the BTF: of the running kernel, of the objects of the tests, of Linux's own
// where SKEP_SELFTEST_OBJECTS names a folder of them.
#include "btf/c_dump.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "skep/btf.h"

#include "btf/c_declarator.h"
#include "tests/btf/builder.h"

namespace skep::btf {
namespace {

namespace fs = std::filesystem;

std::string RunCommand(const std::string& command, int* status) {
  std::string out;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  *status = pclose(pipe);
  return out;
}

bool HasProgram(const std::string& name) {
  int status = 0;
  RunCommand("command -v " + name, &status);
  return status == 0;
}

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "skep-c-dump-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// Structs and unions whose name nothing else has: the dump names others anew.
std::vector<uint32_t> UniqueComposites(const Btf& btf) {
  std::map<std::string_view, std::vector<uint32_t>> by_name;
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    const Kind kind = btf.kind(id);
    const bool tagged = kind == Kind::kStruct || kind == Kind::kUnion || kind == Kind::kFwd ||
                        kind == Kind::kEnum || kind == Kind::kEnum64;
    if (tagged && !btf.name(id).empty()) by_name[btf.name(id)].push_back(id);
  }
  std::vector<uint32_t> ids;
  for (const auto& [name, of_name] : by_name) {
    const Kind kind = btf.kind(of_name[0]);
    if (of_name.size() == 1 && (kind == Kind::kStruct || kind == Kind::kUnion)) {
      ids.push_back(of_name[0]);
    }
  }
  return ids;
}

// What gcc has to agree with: "_Static_assert(sizeof(struct a) == 4, "a");" ...
std::string Assertions(const Btf& btf) {
  std::string out;
  for (const uint32_t id : UniqueComposites(btf)) {
    const Type type = btf.type(id);
    const std::string tag = std::string(KindName(type.kind)) + " " + std::string(type.name);
    out += "_Static_assert(sizeof(" + tag + ") == " + std::to_string(type.size_or_type) +
           ", \"size of " + tag + "\");\n";
    for (uint32_t i = 0; i < type.vlen; ++i) {
      const Member m = btf.member(id, i);
      if (m.name.empty() || m.bitfield_size != 0 || m.bit_offset % 8 != 0) continue;
      out += "_Static_assert(__builtin_offsetof(" + tag + ", " + std::string(m.name) +
             ") == " + std::to_string(m.bit_offset / 8) + ", \"" + tag + "." + std::string(m.name) +
             "\");\n";
    }
  }
  return out;
}

// Variable arguments are what the machine makes of them.
bool IsOfEveryMachine(const Btf& btf, uint32_t id) {
  const Type type = btf.type(id);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    uint32_t member = btf.member(id, i).type;
    for (; btf.kind(member) == Kind::kTypedef; member = btf.type(member).size_or_type) {
      if (btf.name(member) == "__builtin_va_list") return false;
    }
  }
  return true;
}

bool HasBitfield(const Btf& btf, uint32_t id) {
  const Type type = btf.type(id);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Member m = btf.member(id, i);
    if (m.bitfield_size != 0) return true;
    const Kind kind = btf.kind(m.type);
    const bool inside = btf.name(m.type).empty() && (kind == Kind::kStruct || kind == Kind::kUnion);
    if (inside && HasBitfield(btf, m.type)) return true;
  }
  return false;
}

// Those that BTF is compared of: all, or, as clang takes quadratic time, 1,500:
// those with bitfields first, of which the assertions say nothing.
std::vector<uint32_t> ComparedTypes(const Btf& btf) {
  std::vector<uint32_t> ids = UniqueComposites(btf);
  std::erase_if(ids, [&](uint32_t id) { return !IsOfEveryMachine(btf, id); });
  std::stable_partition(ids.begin(), ids.end(), [&](uint32_t id) { return HasBitfield(btf, id); });
  if (ids.size() > 1500 && std::getenv("SKEP_ALL_TYPES") == nullptr) ids.resize(1500);
  return ids;
}

// A variable of each, so that clang writes BTF of it.
std::string Variables(const Btf& btf, const std::vector<uint32_t>& ids) {
  std::string out;
  for (const uint32_t id : ids) {
    const Type type = btf.type(id);
    out += std::string(KindName(type.kind)) + " " + std::string(type.name) + " skep_v" +
           std::to_string(id) + ";\n";
  }
  return out;
}

// Where the members of two types differ in place; also of anonymous ones inside.
std::string Difference(const Btf& a, uint32_t a_id, const Btf& b, uint32_t b_id) {
  const Type x = a.type(a_id), y = b.type(b_id);
  const std::string where = "struct " + std::string(x.name) + ": ";
  if (x.size_or_type != y.size_or_type) {
    return where + "size " + std::to_string(x.size_or_type) + " became " +
           std::to_string(y.size_or_type) + "\n";
  }
  if (x.vlen != y.vlen) return where + "other members\n";
  std::string out;
  for (uint32_t i = 0; i < x.vlen; ++i) {
    const Member m = a.member(a_id, i), n = b.member(b_id, i);
    if (m.name != n.name || m.bit_offset != n.bit_offset || m.bitfield_size != n.bitfield_size) {
      out += where + std::string(m.name) + " at " + std::to_string(m.bit_offset) + ":" +
             std::to_string(m.bitfield_size) + " became " + std::string(n.name) + " at " +
             std::to_string(n.bit_offset) + ":" + std::to_string(n.bitfield_size) + "\n";
    }
    const Kind kind = a.kind(m.type);
    if (a.name(m.type).empty() && (kind == Kind::kStruct || kind == Kind::kUnion) &&
        kind == b.kind(n.type)) {
      out += Difference(a, m.type, b, n.type);
    }
  }
  return out;
}

struct Compared {
  std::string problem;
  size_t types = 0;
};

Compared CompileAndCompare(const Btf& btf, const Folder& folder) {
  const Result<std::string> text = DumpC(btf);
  if (!text) return {"refused: " + text.error().message};
  std::ofstream(folder / "gcc.c") << *text << Assertions(btf);
  int status = 0;
  std::string out = RunCommand("gcc -w -fsyntax-only " + (folder / "gcc.c").string(), &status);
  if (status != 0) return {"gcc: " + out.substr(0, 2000)};
  const std::vector<uint32_t> ids = ComparedTypes(btf);
  const std::string clang = HasProgram("clang-19") ? "clang-19" : "clang";
  std::ofstream(folder / "clang.c") << *text << Variables(btf, ids);
  const std::string object = (folder / "clang.o").string();
  out = RunCommand(
      clang + " -w -target bpf -g -c " + (folder / "clang.c").string() + " -o " + object, &status);
  if (status != 0) return {clang + ": " + out.substr(0, 2000)};
  Compared result;
  const auto back = OpenBtf(object);
  if (!back) return ids.empty() ? result : Compared{back.error().message};
  for (const uint32_t id : ids) {
    const uint32_t other = (*back)->Find(btf.name(id), btf.kind(id));
    if (other == 0) {
      result.problem += std::string(btf.name(id)) + " is not in what clang made\n";
      continue;
    }
    result.problem += Difference(btf, id, **back, other);
    ++result.types;
  }
  return result;
}

class CDumpCompiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasProgram("gcc")) GTEST_SKIP() << "no gcc";
    if (!HasProgram("clang") && !HasProgram("clang-19")) GTEST_SKIP() << "no clang";
  }
  Folder folder_;
};

TEST_F(CDumpCompiles, OfTheRunningKernelToTheSameOffsets) {
  const auto btf = OpenBtf(kKernelBtfPath);
  if (!btf) GTEST_SKIP() << btf.error().message;
  const Compared compared = CompileAndCompare(**btf, folder_);
  EXPECT_EQ(compared.problem.substr(0, 3000), "");
  EXPECT_GT(compared.types, 1000u);
  RecordProperty("types", static_cast<int>(compared.types));
}

std::vector<fs::path> Objects() {
  std::vector<fs::path> paths;
  const auto add = [&](const fs::path& folder) {
    if (!fs::exists(folder)) return;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().string();
      if (name.ends_with(".v3.bpf.o") || name.ends_with("_x86.o") ||
          (name.ends_with(".bpf.o") && name.find(".v") == std::string::npos)) {
        paths.push_back(entry.path());
      }
    }
  };
  add(std::string(SKEP_BINARY_DIR) + "/tests/data/loader");
  if (const char* folder = std::getenv("SKEP_SELFTEST_OBJECTS"); folder != nullptr) add(folder);
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST_F(CDumpCompiles, OfObjectsToTheSameOffsets) {
  const std::vector<fs::path> objects = Objects();
  if (objects.empty()) GTEST_SKIP() << "no clang compiled the objects of the tests";
  size_t types = 0;
  for (const fs::path& path : objects) {
    const auto btf = OpenBtf(path.string());
    if (!btf) continue;  // made without
    const Compared compared = CompileAndCompare(**btf, folder_);
    EXPECT_EQ(compared.problem, "") << path;
    types += compared.types;
  }
  EXPECT_GT(types, 20u);
}

// bpftool 7.1 knows neither declaration tags nor enums of other sizes than int.
std::string WithoutAttributes(std::string text) {
  for (const char* start : {" __attribute__((mode(", " __attribute__((btf_decl_tag("}) {
    for (size_t at = text.find(start); at != std::string::npos; at = text.find(start, at)) {
      text.erase(at, text.find(")))", at) + 3 - at);
    }
  }
  return text;
}

TEST(CDump, IsTheTextOfBpftool) {
  int status = 0;
  const std::string version = RunCommand("bpftool version", &status);
  if (status != 0) GTEST_SKIP() << "no bpftool";
  if (version.find("v7.1") == std::string::npos) GTEST_SKIP() << "another bpftool: " << version;
  std::vector<fs::path> files = Objects();
  files.emplace_back(kKernelBtfPath);
  size_t compared = 0;
  for (const fs::path& path : files) {
    const auto btf = OpenBtf(path.string());
    if (!btf || path.string().find("too_deep") != std::string::npos) continue;
    const std::string command = "bpftool btf dump file " + path.string() + " format ";
    const Result<std::string> c = DumpHeader(**btf);
    ASSERT_TRUE(c) << path << ": " << c.error().message;
    EXPECT_TRUE(WithoutAttributes(*c) == WithoutAttributes(RunCommand(command + "c", &status)))
        << path;
    EXPECT_TRUE(DumpRaw(**btf) == RunCommand(command + "raw", &status)) << path;
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

TEST(CDump, CutsCyclesByForwardDeclarations) {
  Builder b;
  // struct a { struct b *next; }; struct b { struct a first; handler_t *handler; }
  // typedef void handler_t(struct b *);
  const uint32_t a = 2, second = 4;
  b.Int("int", 4, 1);                                                                   // 1
  b.Add("a", Kind::kStruct, 1, 8, {b.Name("next"), 3, 0});                              // 2
  b.Pointer(second);                                                                    // 3
  b.Add("b", Kind::kStruct, 2, 16, {b.Name("first"), a, 0, b.Name("handler"), 5, 64});  // 4
  b.Pointer(6);                                                                         // 5
  b.Add("handler_t", Kind::kTypedef, 0, 7);                                             // 6
  b.Add("", Kind::kFuncProto, 1, 0, {0, 3});                                            // 7
  const auto btf = b.Parse();
  ASSERT_TRUE(btf) << btf.error().message;
  const uint32_t roots[] = {second};
  EXPECT_EQ(*DumpC(**btf, roots),
            "struct b;\n\nstruct a {\n\tstruct b *next;\n};\n\n"
            "typedef void handler_t(struct b *);\n\n"
            "struct b {\n\tstruct a first;\n\thandler_t *handler;\n};\n\n");
}

TEST(CDump, RefusesAnonymousCyclesAndEndlessNesting) {
  Builder cycle;
  cycle.Add("", Kind::kStruct, 1, 8, {cycle.Name("self"), 2, 0});
  cycle.Pointer(1);
  const auto looped = cycle.Parse();
  ASSERT_TRUE(looped);
  EXPECT_EQ(DumpC(**looped).error().code, ErrorCode::kMalformedObject);

  Builder deep;  // struct { struct { ... } *p; } *p; 2,000 times
  for (uint32_t i = 0; i < 2000; ++i) {
    deep.Add("", Kind::kStruct, 1, 8, {deep.Name("p"), 2 * i + 2, 0});
    deep.Pointer(2 * i + 3);
  }
  deep.Int("int", 4, 1);
  const auto nested = deep.Parse();
  ASSERT_TRUE(nested) << nested.error().message;
  const uint32_t roots[] = {1};
  EXPECT_EQ(DumpC(**nested, roots).error().code, ErrorCode::kResourceLimit);

  Builder wide;  // each holds the next one twice, 28 times: text without end
  for (uint32_t i = 0; i < 28; ++i) {
    const uint32_t half = 1u << (28 - i - 1);
    wide.Add("", Kind::kStruct, 2, 2 * half,
             {wide.Name("a"), i + 2, 0, wide.Name("b"), i + 2, half * 8 % (1u << 31)});
  }
  wide.Int("char", 1, 1);
  const auto doubled = wide.Parse(Origin::kObjectFile);
  ASSERT_TRUE(doubled) << doubled.error().message;
  const auto refused = DeclareC(**doubled, 1, "x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceLimit);
}

TEST(CDump, WritesWhatASplitBtfAddsWithWhatItNeeds) {
  Builder base;
  base.Int("int", 4, 1);
  base.Add("used", Kind::kStruct, 1, 4, {base.Name("x"), 1, 0});
  base.Add("unused", Kind::kStruct, 1, 4, {base.Name("y"), 1, 0});
  const auto kernel = base.Parse();
  ASSERT_TRUE(kernel);
  Builder split;
  split.StartAt(4, "");
  split.strings() = "";
  const auto at = static_cast<uint32_t>(base.strings().size());
  split.Add("", Kind::kPtr, 0, 2);
  std::string& strings = split.strings();
  strings += std::string("\0own\0z\0", 7);
  split.Word(at + 1);
  split.Word(1 | uint32_t{static_cast<uint32_t>(Kind::kStruct)} << 24);
  split.Word(4);
  split.Word(at + 5);
  split.Word(2);
  split.Word(0);
  const auto module = Btf::Parse(split.Bytes(), Origin::kObjectFile, *kernel);
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(*DumpC(**module),
            "struct used {\n\tint x;\n};\n\nstruct own {\n\tstruct used z;\n};\n\n");
}

}  // namespace
}  // namespace skep::btf
