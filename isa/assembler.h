// SPDX-License-Identifier: Apache-2.0
// Assembler: text to instruction slots.
//
// Two syntaxes, mixed freely, statements apart by newlines or `;`, comments
// after `#` or `//`:
//
//   kernel, as bpftool, the verifier log and LLVM print it
//     r0 = *(u32 *)(r1 + 4)         w0 += 1            r0 s/= r1     r0 = (s8)r1
//     r0 = 0x1122334455667788 ll    r0 = be16 r0       r0 = -r0
//     *(u64 *)(r10 - 8) = r1        *(u8 *)(r1 + 0) = 7
//     lock *(u64 *)(r1 + 0) += r2   r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)
//     r0 = cmpxchg_64(r1 + 0, r0, r2)                  r2 = xchg_64(r1 + 0, r2)
//     r0 = load_acquire((u64 *)(r1 + 0))               store_release((u8 *)(r1 + 0), r2)
//     r0 = *(u8 *)skb[12]           r0 = *(u16 *)skb[r2 + 12]
//     if w1 s> 5 goto label         goto +3            gotol label   may_goto pc+3
//     call 5                        call map_lookup_elem             exit
//     call label                    call pc+3          (local calls)
//     call kfunc[131][0]            (BTF id, index of the BTF in fd_array)
//     r1 = addr_space_cast(r1, 0, 1)
//   bpf_conformance
//     mov %r0, 1     mov32 %r0, %r1     lddw %r0, 0x1122334455667788
//     ldxb %r0, [%r1+2]     ldxsw %r0, [%r1]     stw [%r1+8], 0x44     stxdw [%r10-8], %r1
//     lock add [%r1], %r2   lock fetch add32 [%r1+4], %r2   lock cmpxchg [%r1], %r2
//     be16 %r0     swap32 %r0     bswap64 %r0     neg %r0     movsx1632 %r0, %r1
//     jeq %r1, 0x1, +3      jslt32 %r1, %r2, label      ja label     ja32 -2
//     call 5     call helper 5     call local label     call runtime 7     exit
//
// References, which become wide loads with Linux's pseudo source registers:
//     r1 = map[0] ll       the map with index 0 in imm (BPF_PSEUDO_MAP_FD); what
//                          the number means is the caller's: the index into
//                          `-- maps` of a test file, or a descriptor
//     r1 = map[0][8] ll    the address of byte 8 of its value (MAP_VALUE)
//     r1 = map_idx[0] ll, r1 = map_idx[0][8] ll        (MAP_IDX, MAP_IDX_VALUE)
//     r1 = btf_id[5][3] ll BTF id 5, BTF object descriptor 3 (BTF_ID)
//     r1 = label ll        a subprogram as callback (FUNC); also subprog[+5]
// In map[...] a name is resolved by AsmSymbols; `ll` may be left out there.
//
// Labels are `name:`, alone or before a statement. As in bpf_conformance, a
// jump to `exit` that no label defines goes to the first exit instruction.
// `.insn 0x...` puts eight bytes, a little-endian number, as they are; %r11 to
// %r15 and `call %r1` (callx) assemble too: tests need to write what Decode
// must refuse.
//
// Immediates are 32 bits: -2^31 .. 2^32 - 1, or a 64-bit number that is one of
// those sign-extended.
//
// Threads: pure functions.

#ifndef SKEP_ISA_ASSEMBLER_H_
#define SKEP_ISA_ASSEMBLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "skep/insn.h"
#include "skep/result.h"

#include "isa/asm_symbols.h"

namespace skep {

struct AssembledProgram {
  std::vector<Insn> insns;
  std::vector<uint32_t> lines;                           // of the text, from 1, for each slot
  std::vector<std::pair<std::string, uint32_t>> labels;  // name and slot, in order of the text
};

// Limits on the input, so that hostile text cannot take more than a multiple of
// itself: Linux's limit of instructions, and a generous line for each.
inline constexpr size_t kMaxAssembledSlots = 1'000'000;
inline constexpr size_t kMaxAssemblyBytes = size_t{64} << 20;

// Any bytes may come in. Fails with kMalformedObject and one line: "line 3,
// column 9: found 'r11', expected a register r0 to r10"; with kUnresolved for
// names that nobody knows, with kResourceLimit beyond the limits. `symbols` may
// be null. The result may hold instructions that Decode refuses only where the
// text asked for them (see above) or jumps out of the program by number.
Result<AssembledProgram> Assemble(std::string_view text, const AsmSymbols* symbols = nullptr);

class AsmPatterns;

// The same for many texts: making the table of spellings costs about as much as
// assembling a few hundred lines. Threads: const, any number at once.
class Assembler {
 public:
  Assembler();
  ~Assembler();
  Result<AssembledProgram> Assemble(std::string_view text,
                                    const AsmSymbols* symbols = nullptr) const;

 private:
  std::unique_ptr<const AsmPatterns> patterns_;
};

}  // namespace skep

#endif  // SKEP_ISA_ASSEMBLER_H_
