// SPDX-License-Identifier: Apache-2.0
#include "skep/engine.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "model/exec_program.h"
#include "model/tail_target.h"

namespace skep {
namespace {

struct EngineRow {
  Engine engine;
  std::string_view name;
};
constexpr std::array kEngines = {
    EngineRow{Engine::kInterp, "interp"},
    EngineRow{Engine::kChecked, "checked"},
    EngineRow{Engine::kBaseline, "baseline"},
    EngineRow{Engine::kJit, "jit"},
};

}  // namespace

std::string_view EngineName(Engine engine) {
  for (const EngineRow& row : kEngines) {
    if (row.engine == engine) return row.name;
  }
  SKEP_UNREACHABLE();
}

std::optional<Engine> EngineByName(std::string_view name) {
  for (const EngineRow& row : kEngines) {
    if (row.name == name) return row.engine;
  }
  return std::nullopt;
}

Executable::Executable(Engine engine, Program program,
                       std::shared_ptr<const model::ExecProgram> exec)
    : engine_(engine), program_(std::move(program)), exec_(std::move(exec)) {}

Executable::~Executable() = default;

std::span<const std::byte> Executable::code() const { return {}; }

uint32_t Executable::min_context_bytes() const { return exec_->context_bytes; }

}  // namespace skep
