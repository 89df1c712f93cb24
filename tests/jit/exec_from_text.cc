// SPDX-License-Identifier: Apache-2.0
#include "tests/jit/exec_from_text.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "base/check.h"
#include "isa/assembler.h"
#include "isa/decode.h"
#include "model/execution_layout.h"

namespace skep::jit {
namespace {

class NeedsCompiler : public testing::Environment {
 public:
  void SetUp() override {
    if (!Available()) GTEST_SKIP() << "this host's architecture has no compiler";
  }
};
[[maybe_unused]] const testing::Environment* const kNeedsCompiler =
    testing::AddGlobalTestEnvironment(new NeedsCompiler);

std::vector<model::ExecSubprogram> Functions(const std::vector<DecodedInsn>& code,
                                             const std::vector<uint32_t>& place) {
  std::set<uint32_t> starts = {0};
  for (size_t slot = 0; slot < code.size(); ++slot) {
    if (code[slot].op == Op::kInvalid) continue;
    const OpKind kind = Info(code[slot].op).kind;
    if (kind == OpKind::kCallLocal || kind == OpKind::kLoadFunc) {
      starts.insert(place[static_cast<size_t>(TargetOf(code[slot], slot))]);
    }
  }
  std::vector<model::ExecSubprogram> out;
  for (auto it = starts.begin(); it != starts.end(); ++it) {
    const auto next = std::next(it);
    out.push_back({"f" + std::to_string(out.size()), *it,
                   next == starts.end() ? place.back() : *next, 512, true});
  }
  return out;
}

}  // namespace

std::unique_ptr<TestProgram> FromInsns(std::span<const Insn> insns,
                                       std::vector<HelperSpec> helpers) {
  const DecodedProgram decoded = DecodeProgram(insns);
  if (!decoded) std::fprintf(stderr, "%s\n", Message(decoded.error).c_str());
  SKEP_CHECK(bool(decoded));
  auto program = std::make_unique<TestProgram>();
  program->specs = std::move(helpers);
  for (const HelperSpec& spec : program->specs) program->table.push_back({spec.function, &spec});

  std::vector<uint32_t> place;
  uint32_t count = 0;
  for (const DecodedInsn& insn : decoded.insns) {
    place.push_back(count);
    if (insn.op != Op::kInvalid) ++count;
  }
  place.push_back(count);

  model::ExecProgram& exec = program->exec;
  exec.name = "test";
  exec.verified = true;
  exec.call_base = program->table.data();
  exec.helper_count = static_cast<uint32_t>(program->table.size());
  for (size_t slot = 0; slot < decoded.insns.size(); ++slot) {
    const DecodedInsn& from = decoded.insns[slot];
    if (from.op == Op::kInvalid) continue;
    const OpInfo& info = Info(from.op);
    model::ExecInsn insn{from.op, from.dst, from.src, 0, from.off, 0, from.imm, 0};
    if (info.Has(kBranches) || info.kind == OpKind::kCallLocal || info.kind == OpKind::kLoadFunc) {
      insn.target = place[static_cast<size_t>(TargetOf(from, slot))];
    } else if (ClassOf(info.kind) == OpClass::kWideLoad) {
      insn.set_wide(static_cast<uint64_t>(from.imm64));
    } else if (info.kind == OpKind::kCallHelper) {
      const auto spec = std::find_if(
          program->specs.begin(), program->specs.end(),
          [&](const HelperSpec& s) { return s.id == static_cast<uint32_t>(from.imm); });
      SKEP_CHECK(spec != program->specs.end());
      insn.imm = static_cast<int32_t>((spec - program->specs.begin()) *
                                      static_cast<int>(sizeof(model::HelperEntry)));
    }
    exec.insns.push_back(insn);
    exec.origin.push_back(static_cast<uint32_t>(slot));
  }
  exec.subprograms = Functions(decoded.insns, place);
  return program;
}

std::unique_ptr<TestProgram> FromText(std::string_view text, std::vector<HelperSpec> helpers) {
  auto assembled = Assemble(text);
  if (!assembled) std::fprintf(stderr, "%s\n", assembled.error().message.c_str());
  SKEP_CHECK(bool(assembled));
  return FromInsns(assembled->insns, std::move(helpers));
}

TestContext::TestContext(uint32_t cpu)
    : domain_(std::make_unique<EpochDomain>()),
      context_(model::ExecutionLayout::Create(cpu, *domain_, {})) {}
TestContext::~TestContext() = default;

uint64_t CompileAndRun(const model::ExecProgram& exec, const CompileOptions& options, uint64_t r1,
                       uint64_t r2) {
  auto code = Compile(exec, options);
  if (!code) std::fprintf(stderr, "%s\n", code.error().message.c_str());
  SKEP_CHECK(bool(code));
  TestContext context;
  return code->entry(r1, r2, &*context);
}

}  // namespace skep::jit
