// SPDX-License-Identifier: Apache-2.0
// Program: linked, immutable code of one entry point, with everything needed
// to verify it; and Object: the programs and maps of one object file.
//
// Threads: immutable values over shared data, cheap to copy.

#ifndef SKEP_PROGRAM_H_
#define SKEP_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/core_relocation.h"
#include "skep/export.h"
#include "skep/insn.h"
#include "skep/map_spec.h"
#include "skep/program_type.h"
#include "skep/result.h"

namespace skep {

namespace btf {
class Btf;
}

// src of a call (BPF_JMP | BPF_CALL).
enum CallSource : uint8_t {
  kCallHelper = 0,  // imm = helper id
  kCallLocal = 1,   // imm = distance to the subprogram
  // imm = id of the BTF_KIND_FUNC in ProgramData::target_btf
  kCallKfunc = 2,
};

// src of a two-slot load (BPF_LD | BPF_IMM | BPF_DW): what `imm` refers to.
// In a Program a map reference holds the index into maps(), not an fd.
enum PseudoSource : uint8_t {
  kPseudoNone = 0,
  kPseudoMapFd = 1,     // imm = index into maps()
  kPseudoMapValue = 2,  // imm = index into maps(), next imm = offset
  kPseudoBtfId = 3,     // imm = id of the BTF_KIND_VAR in ProgramData::target_btf
  kPseudoFunc = 4,      // imm = distance to the subprogram, as in a local call
  kPseudoMapIdx = 5,    // same meaning as kPseudoMapFd in a Program
  kPseudoMapIdxValue = 6,
};

struct Subprogram {
  std::string name;
  uint32_t start = 0;        // first instruction slot
  uint32_t end = 0;          // one past the last
  bool is_global = false;    // verified alone, by its BTF prototype
  uint32_t btf_type_id = 0;  // BTF_KIND_FUNC; 0 if unknown
};

// `file` and `text` point into ProgramData::line_storage.
struct SourceLine {
  uint32_t insn = 0;  // holds from this slot to the next entry
  uint32_t line = 0;
  uint32_t column = 0;
  std::string_view file;
  std::string_view text;
};

// prog_flags of BPF_PROG_LOAD that change how a program is verified.
inline constexpr uint32_t kProgStrictAlignment = 1u << 0;
inline constexpr uint32_t kProgTestStateFreq = 1u << 3;  // keep a state at every prune point

struct ProgramData {
  std::string name;
  std::string section;  // without a leading '?'
  ProgramTypeId type = ProgramTypeId::kUnspec;
  uint32_t expected_attach_type = 0;
  std::string attach_target;  // what follows the section's '/'
  // The kernel's own types: what CO-RE relocated against, and what ids of kernel
  // functions, kernel variables and attach targets count. Null if the program
  // needs none.
  std::shared_ptr<const btf::Btf> target_btf;
  // What the program attaches to, in target_btf: the function (fentry, fexit,
  // fmod_ret, lsm, iter), the typedef btf_trace_NAME (tp_btf) or the struct
  // (struct_ops; expected_attach_type is then the member's index). 0 if none.
  uint32_t attach_btf_id = 0;
  bool sleepable = false;
  uint32_t flags = 0;  // BPF_PROG_LOAD prog_flags that the object asks for
  std::string license;
  std::vector<Insn> insns;              // all slots; subprogram 0 is the entry point
  std::vector<Subprogram> subprograms;  // ascending, cover all slots
  std::vector<MapSpec> maps;            // what map references index
  std::vector<SourceLine> lines;        // ascending by insn; empty without line info
  std::vector<UnresolvedRelocation> unresolved_relocations;  // ascending by insn
  std::shared_ptr<const void> line_storage;                  // keeps the text of `lines` alive
  std::shared_ptr<const btf::Btf> btf;                       // null without BTF
};

class SKEP_EXPORT Program {
 public:
  // Checks what every later step relies on: 1..1,000,000 slots, subprograms
  // ascending and covering them, map indexes inside `maps`. Fails with
  // kInvalidArgument or kResourceLimit. Instructions are judged by Verify.
  static Result<Program> Create(ProgramData data);

  const ProgramData& data() const { return *data_; }
  const std::string& name() const { return data_->name; }
  ProgramTypeId type() const { return data_->type; }
  std::span<const Insn> insns() const { return data_->insns; }
  std::span<const Subprogram> subprograms() const { return data_->subprograms; }
  std::span<const MapSpec> maps() const { return data_->maps; }
  // The line info that holds at `insn`, or null.
  const SourceLine* LineAt(uint32_t insn) const;
  // The same code as another program type (`skep run --type`).
  Program WithType(ProgramTypeId type, uint32_t expected_attach_type) const;

 private:
  explicit Program(std::shared_ptr<const ProgramData> data) : data_(std::move(data)) {}
  std::shared_ptr<const ProgramData> data_;
};

// A program as the object holds it: linked, or why it could not be.
struct ObjectProgram {
  std::string name;
  std::string section;  // without a leading '?'
  Result<Program> program;
  ProgramTypeId type = ProgramTypeId::kUnspec;  // what the section's name says
  bool autoload = true;                         // false: the section's name starts with '?'
};

// What an object is linked against.
struct ObjectOptions {
  // The kernel's types (/sys/kernel/btf/vmlinux) for CO-RE, kernel functions and
  // attach targets. Null: programs that need them are refused by name.
  std::shared_ptr<const btf::Btf> target_btf;
  // Text of a kernel configuration (CONFIG_X=y ...) for .kconfig externs.
  std::string kconfig{};
  // The value of LINUX_KERNEL_VERSION: major << 16 | minor << 8 | patch. 0: that
  // of the Linux whose rules programs are verified by.
  uint32_t kernel_version = 0;
  // Path of a table of kernel symbols as /proc/kallsyms has it, for .ksyms
  // externs without a type; read if there are any.
  std::string kallsyms{};
};

class SKEP_EXPORT Object {
 public:
  // Reads an ELF object that clang made for the BPF target. Fails with kSystem
  // if the file cannot be read and as Parse does.
  static Result<Object> Open(const std::string& path, const ObjectOptions& options = {});
  // Fails with kMalformedObject, kUnsupported or kResourceLimit when the file
  // as a whole makes no sense; what concerns one program alone is in that
  // program's Result. `name` is used in messages.
  static Result<Object> Parse(std::span<const std::byte> bytes, const std::string& name,
                              const ObjectOptions& options = {});
  // An object of programs that did not come from a file. `maps` holds every map
  // that the programs name.
  static Object FromPrograms(std::string name, std::vector<ObjectProgram> programs,
                             std::vector<MapSpec> maps);

  const std::string& name() const;
  // In file order: by section, then by offset.
  std::span<const ObjectProgram> programs() const;
  // All maps of the object, also those that no program uses.
  std::span<const MapSpec> maps() const;
  // Null without BTF.
  std::shared_ptr<const btf::Btf> btf() const;
  const std::string& license() const;
  // CO-RE relocation records, of all programs, by section and instruction.
  std::span<const CoreRelocationInfo> core_relocations() const;
  // Whether anything in the object refers to the kernel's own types: a CO-RE
  // relocation, a kernel function or variable, a program type that attaches to
  // one, a kptr. If not, ObjectOptions::target_btf makes no difference.
  bool needs_target_btf() const;
  // The linked program of this name. With an empty name: the only program.
  // Fails with kUnresolved (the message lists the names), or as its link did.
  Result<Program> FindProgram(const std::string& name) const;

  struct Data;
  explicit Object(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

}  // namespace skep

#endif  // SKEP_PROGRAM_H_
