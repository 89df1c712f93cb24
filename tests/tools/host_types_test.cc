// SPDX-License-Identifier: Apache-2.0
// CO-RE against the types of a host: what the programs of
// tests/data/loader/core_kinds.bpf.c ask is answered alike, and rightly, whether
// the host describes its types in C++ or a C header does.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "skep/btf.h"
#include "skep/btf_builder.h"
#include "skep/program.h"

#include "btf/btf.h"
#include "tools/c_type_names.h"
#include "tools/header_types.h"

namespace skep::tools {
namespace {

namespace fs = std::filesystem;

// `port` moved, `gone` is missing, BUSY has another value and DROPPED none.
constexpr const char* kHeader = R"(
#include <stdint.h>
#define PACKED __attribute__((packed))
typedef struct flow flow_alias;
struct PACKED header { uint8_t kind; uint32_t length; };
struct flow {
  struct header header;
  int id __attribute__((aligned(8)));
  uint64_t bytes;
  int port;
  short rows[8];
  char *name;
};
enum state { IDLE = 1, BUSY = 77 };
static inline int inside(struct flow *flow) { struct local { int x; } local = {flow->id}; return local.x; }
)";

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("skep-host-types-" + std::to_string(getpid()))) {
    fs::create_directory(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

 private:
  fs::path path_;
};

std::shared_ptr<const btf::Btf> BuiltTypes() {
  BtfBuilder types;
  const uint32_t i32 = types.Int("int", 4, true), u64 = types.Int("unsigned long", 8);
  const uint32_t i16 = types.Int("short", 2, true), u8 = types.Int("unsigned char", 1);
  const uint32_t header =
      types.Struct("header", 5, {{"kind", u8, 0}, {"length", types.Int("unsigned int", 4), 1}});
  const uint32_t flow = types.Struct("flow", 56,
                                     {{"header", header, 0},
                                      {"id", i32, 8},
                                      {"bytes", u64, 16},
                                      {"port", i32, 24},
                                      {"rows", types.Array(i16, 8), 28},
                                      {"name", types.Pointer(types.Char()), 48}});
  types.Typedef("flow_alias", flow);
  types.Enum("state", 4, {{"IDLE", 1}, {"BUSY", 77}});
  const auto btf = types.Build("host");
  EXPECT_TRUE(btf) << btf.error().message;
  return btf ? *btf : nullptr;
}

// Null where there is no clang.
std::shared_ptr<const btf::Btf> TypesOf(const std::string& header) {
  const auto bytes = TypesOfHeader({.header = header, .clang = {}});
  if (!bytes && bytes.error().code == ErrorCode::kSystem) return nullptr;
  EXPECT_TRUE(bytes) << bytes.error().message;
  if (!bytes) return nullptr;
  const auto btf = ParseBtf(*bytes, header);
  EXPECT_TRUE(btf) << btf.error().message;
  return btf ? *btf : nullptr;
}

// By function, kind and access.
std::map<std::string, std::string> Answers(const std::string& object_path,
                                           const std::shared_ptr<const btf::Btf>& host) {
  std::map<std::string, std::string> answers;
  const auto object = Object::Open(object_path, {.target_btf = host});
  EXPECT_TRUE(object) << object.error().message;
  if (!object) return answers;
  for (const CoreRelocationInfo& core : object->core_relocations()) {
    if (core.kind == "target_type_id" || core.kind == "local_type_id") continue;
    const std::string question =
        std::string(core.function) + " " + std::string(core.kind) + " " + std::string(core.access);
    answers[question] = !core.problem.empty() ? std::string(core.problem)
                        : core.found          ? std::to_string(core.value)
                                              : "missing";
  }
  return answers;
}

// Empty without clang.
std::string Kinds() {
  for (const char* compiler : {"clang", "clang-19"}) {
    const fs::path path =
        fs::path(SKEP_BINARY_DIR) / "tests/data/loader" / compiler / "core_kinds.v3.bpf.o";
    if (fs::exists(path)) return path;
  }
  return {};
}

void ExpectAnswers(const std::map<std::string, std::string>& answers) {
  const std::map<std::string, std::string> expected = {
      {"signed_field byte_off 0:0", "8"},
      {"narrower_field byte_off 0:1", "16"},
      {"inside_another byte_off 0:2:0", "24"},
      {"element byte_off 0:5:2", "32"},
      {"pointer byte_off 0:6", "48"},
      {"missing_field byte_off 0:7", "missing"},
      {"guarded_field field_exists 0:7", "0"},
      {"type_size type_size 0", "56"},
      {"enumerator enumval_value 1", "77"},
      {"missing_enumerator enumval_value 2", "missing"},
      {"value_exists enumval_exists 2", "0"},
      {"value_exists enumval_exists 1", "1"},
      {"size_of byte_sz 0:1", "8"},
  };
  for (const auto& [question, answer] : expected) {
    ASSERT_TRUE(answers.contains(question)) << question;
    EXPECT_EQ(answers.at(question), answer) << question;
  }
}

TEST(HostTypes, RelocateProgramsWhenTheHostDescribesThem) {
  const std::string object = Kinds();
  if (object.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  ExpectAnswers(Answers(object, BuiltTypes()));
}

TEST(HostTypes, RelocateProgramsAlikeWhenAHeaderDescribesThem) {
  const std::string object = Kinds();
  if (object.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const Folder folder;
  const auto host = TypesOf(folder.Write("host.h", kHeader));
  if (host == nullptr) GTEST_SKIP() << "clang is missing";
  const auto answers = Answers(object, host);
  ExpectAnswers(answers);
  EXPECT_EQ(answers, Answers(object, BuiltTypes()));
}

TEST(HostTypes, AreThoseOfThisMachine) {
  const Folder folder;
  const auto host = TypesOf(
      folder.Write("machine.h",
                   "#include <stddef.h>\n#include <stdint.h>\n#include <sys/types.h>\n"
                   "struct sizes { char a[sizeof(long)], b[sizeof(intptr_t)], c[sizeof(size_t)],\n"
                   "  d[sizeof(off_t)], e[sizeof(int_fast32_t)], f[sizeof(void *)]; };\n"));
  if (host == nullptr) GTEST_SKIP() << "clang is missing";
  const uint32_t id = host->Find("sizes", btf::Kind::kStruct);
  ASSERT_NE(id, 0u);
  EXPECT_EQ(host->SizeOf(id), sizeof(long) + sizeof(intptr_t) + sizeof(size_t) + sizeof(off_t) +
                                  sizeof(int_fast32_t) + sizeof(void*));
}

TEST(HostTypes, SayWhyThereAreNone) {
  const Folder folder;
  const auto error = [&](const HeaderOptions& options) {
    const auto bytes = TypesOfHeader(options);
    return bytes ? std::string() : bytes.error().message;
  };
  const std::string header = folder.Write("plain.h", "struct a { int b; };\n");
  EXPECT_EQ(error({.header = header, .clang = "no-such-clang"}), "no-such-clang is not there");
  EXPECT_EQ(error({.header = "/nowhere.h", .clang = {}}), "/nowhere.h: No such file or directory");
  if (TypesOf(header) == nullptr) GTEST_SKIP() << "clang is missing";
  const std::string empty = folder.Write("empty.h", "extern int x;\n");
  EXPECT_EQ(error({.header = empty, .clang = {}}), empty + ": defines no types");
  testing::internal::CaptureStderr();
  const std::string wrong = folder.Write("wrong.h", "struct a { int b; }; struct c { what d; };\n");
  EXPECT_NE(error({.header = wrong, .clang = {}}).find("cannot compile " + wrong),
            std::string::npos);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("unknown type name 'what'"),
            std::string::npos);
}

TEST(CTypeNames, AreThoseOfDefinitionsOutsideOfFunctions) {
  const auto names = [](const char* text) { return CTypeNames(text); };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("# 1 \"struct x {\"\nstruct a { int x; struct b { int y; } z; };\n"
                  "struct later; enum c { C }; union __attribute__((packed)) d { int e; };"),
            (Names{"struct a", "struct b", "enum c", "union d"}));
  EXPECT_EQ(
      names("typedef unsigned int u32; typedef struct { int typedef_like; } pair_t, *pair_p;\n"
            "typedef int (*callback)(void *, int x); typedef int table[4][2];\n"
            "typedef void handler(int signal); typedef struct a alias;\n"
            "typedef __typeof__(sizeof(int)) size; typedef int odd __attribute__((mode(DI)));"),
      (Names{"u32", "pair_t", "pair_p", "callback", "table", "handler", "alias", "size", "odd"}));
  EXPECT_EQ(names("static int f(int x) { struct inner { int y; }; typedef int t; return x; }\n"
                  "const char *s = \"struct q {\"; char c = '{'; struct after { int z; };"),
            (Names{"struct after"}));
  EXPECT_EQ(names("struct open {"), (Names{"struct open"}));
  EXPECT_EQ(names("typedef"), Names{});
  EXPECT_EQ(names("typedef int (*"), Names{});
  EXPECT_EQ(names("\"unterminated"), Names{});
}

}  // namespace
}  // namespace skep::tools
