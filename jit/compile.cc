// SPDX-License-Identifier: Apache-2.0
#include "jit/compile.h"

#include <utility>

#include "base/check.h"
#include "jit/compiler.h"
#include "jit/listing.h"
#include "jit/opt/opt_compiler.h"

#if defined(__x86_64__)
#include "jit/x64/masm_x64.h"
#endif

namespace skep::jit {

#if defined(__x86_64__)

namespace {

Result<CompiledCode> Finish(MasmX64& masm, std::vector<uint32_t> offsets) {
  CompiledCode code;
  SKEP_TRY(code.memory, masm.Finish());
  // Functions have no const; the page stays read-only whatever the type says.
  code.entry = reinterpret_cast<EntryFunction>(const_cast<std::byte*>(code.memory.address()));
  code.tail_entry = code.memory.address() + masm.tail_offset();
  code.offsets = std::move(offsets);
  return code;
}

Result<CompiledCode> BuildOptimized(const model::ExecProgram& exec, const CompileOptions& options,
                                    Listing* listing) {
  SKEP_TRY_VOID(CheckOperations(exec));
  ProgramShape shape = ProgramShape::Of(exec, options.metered);
  const auto functions = opt::Optimize(exec, shape, options.metered);
  MasmX64 rough(options.cpu, false);
  OptCompiler<MasmX64> first(exec, options.metered, rough, nullptr, functions, shape, nullptr);
  first.Run();
  const CodePlaces places = first.TakePlaces();
  MasmX64 masm(options.cpu, listing != nullptr);
  masm.Reserve(rough.offset());
  OptCompiler<MasmX64> second(exec, options.metered, masm, listing, functions, shape, &places);
  second.Run();
  return Finish(masm, second.TakeOffsets());
}

Result<CompiledCode> Build(const model::ExecProgram& exec, const CompileOptions& options,
                           Listing* listing) {
  SKEP_CHECK(exec.verified);
  if (options.optimized) return BuildOptimized(exec, options, listing);
  MasmX64 masm(options.cpu, listing != nullptr);
  Compiler<MasmX64> compiler(exec, options.metered, masm, listing);
  SKEP_TRY_VOID(compiler.Run());
  return Finish(masm, compiler.TakeOffsets());
}

}  // namespace

bool Available() { return true; }

Result<CompiledCode> Compile(const model::ExecProgram& exec, const CompileOptions& options) {
  return Build(exec, options, nullptr);
}

Result<Listing> List(const model::ExecProgram& exec, const CompileOptions& options) {
  Listing listing;
  SKEP_TRY_VOID(Build(exec, options, &listing));
  return listing;
}

#else

namespace {

Error NoCompiler() {
  return Error{ErrorCode::kUnsupported, "this build has no compiler for this architecture", 0};
}

}  // namespace

bool Available() { return false; }

Result<CompiledCode> Compile(const model::ExecProgram&, const CompileOptions&) {
  return NoCompiler();
}

Result<Listing> List(const model::ExecProgram&, const CompileOptions&) { return NoCompiler(); }

#endif

uint64_t CallFunction(ExecutionContext& context, uint64_t function, uint64_t r1, uint64_t r2,
                      uint64_t r3, uint64_t r4, uint64_t r5) noexcept {
  return reinterpret_cast<HelperFunction>(function)(r1, r2, r3, r4, r5, context);
}

}  // namespace skep::jit
