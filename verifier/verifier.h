// SPDX-License-Identifier: Apache-2.0
// Verifier: one verification of one program. Follows every path, simulates each
// instruction on abstract values, and stops a path where a state seen before
// covers it.
//
// The members are grouped as the files that define them. A member that returns
// bool returns false when the program is refused; the reason has then been
// recorded by Reject.
//
// Threads: one thread, one program, then thrown away.

#ifndef SKEP_VERIFIER_VERIFIER_H_
#define SKEP_VERIFIER_VERIFIER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skep/verify.h"

#include "base/scratch.h"
#include "model/facts.h"
#include "verifier/btf_walk.h"
#include "verifier/findings.h"
#include "verifier/global_prototype.h"
#include "verifier/kfunc_call.h"
#include "verifier/log.h"
#include "verifier/recording.h"
#include "verifier/special_fields.h"
#include "verifier/state.h"
#include "verifier/structure.h"

namespace skep::verifier {

enum class Access : uint8_t { kRead, kWrite };
// Who accesses memory: an instruction, or a helper or kernel function.
enum class Accessor : uint8_t { kInsn, kCall };

// "local", "ringbuf", ...: the type of a dynptr by its flags.
std::string_view DynptrName(uint16_t flags);

// What a helper call has told so far while its arguments are checked in order.
struct CallInfo {
  const HelperSpec* helper = nullptr;
  bool has_map = false;
  uint32_t map = 0;
  uint32_t map_uid = 0;
  uint32_t reference = 0;  // ref_id of the argument that has one
  int release_register = -1;
  bool raw_mode = false;  // the memory argument may be uninitialised
  int raw_register = -1;  // it, once its size is known; its bytes become written
  int64_t raw_size = 0;
  bool key_is_constant = false;
  uint64_t key = 0;                  // then: the map key, a u32
  uint64_t memory_size = 0;          // kConstAllocSizeOrZero
  uint64_t size_max = ~uint64_t{0};  // largest value of the size argument
  uint32_t callback = 0;             // kFunction argument: the subprogram
  bool releases_dynptr = false;      // release_register points to a dynptr
  SpecialField field;                // kKptr: the field
  uint32_t dynptr = 0;               // dynptr_data: the id and the reference of the dynptr
  uint32_t dynptr_ref = 0;
  uint32_t tail_call_index = model::kUnknownIndex;
  bool moves_packet = false;  // packet pointers are invalid afterwards
  // kPercpuBtfId: what it points to.
  uint32_t pointee_btf = 0;
  uint32_t pointee = 0;
  bool pointee_allocated = false;  // by bpf_percpu_obj_new
};

// One step of a path that precision backtracking needs to know.
struct HistoryEntry {
  uint32_t insn = 0;
  uint32_t previous = 0;
  // kStackAccess with slot and frame; or which operand of a jump is a stack pointer.
  uint32_t flags = 0;
  uint32_t before = 0;  // the entry before it on its path; entry 0 is none
  uint64_t linked = 0;  // scalars with one id that a jump refined together
};
inline constexpr uint32_t kHistoryFrameMask = 7;
inline constexpr uint32_t kHistorySlotShift = 3;
inline constexpr uint32_t kHistorySlotMask = 63;
inline constexpr uint32_t kHistoryStackAccess = 1u << 9;
inline constexpr uint32_t kHistoryDstIsStack = 1u << 10;
inline constexpr uint32_t kHistorySrcIsStack = 1u << 11;

// Registers and stack slots whose precision is wanted, by frame.
struct PrecisionRequest {
  uint32_t frame = 0;
  uint16_t regs[kMaxFrames] = {};
  uint64_t slots[kMaxFrames] = {};

  bool Empty() const;
  bool HasReg(int reg) const { return (regs[frame] >> reg & 1) != 0; }
  void SetReg(int reg) { regs[frame] = static_cast<uint16_t>(regs[frame] | 1u << reg); }
  void ClearReg(int reg) { regs[frame] = static_cast<uint16_t>(regs[frame] & ~(1u << reg)); }
};

// Which scalars share an id: at most 6, packed into 64 bits for the history.
class LinkedRegisters {
 public:
  struct Entry {
    uint8_t frame;
    uint8_t index;  // register or slot
    bool is_register;
  };
  static LinkedRegisters Unpack(uint64_t packed);
  uint64_t Pack() const;
  bool Add(Entry e);
  int size() const { return size_; }
  const Entry* begin() const { return entries_; }
  const Entry* end() const { return entries_ + size_; }

 private:
  Entry entries_[6];
  int size_ = 0;
};

// Where a loop is visited: the component of the code (InsnInfo::loop) and the
// calls that led there.
struct LoopPlace {
  uint32_t loop = 0;
  std::array<uint32_t, kMaxFrames> calls{};
  friend bool operator==(const LoopPlace&, const LoopPlace&) = default;
  struct Hash {
    size_t operator()(const LoopPlace& p) const {
      uint64_t h = p.loop;
      for (const uint32_t c : p.calls) h = (h ^ c) * 0x9e3779b97f4a7c15;
      return static_cast<size_t>(h ^ h >> 32);
    }
  };
};

// A path that ended at a state whose marks were not complete.
struct BackEdge {
  State* to = nullptr;
  PathEnd from;
};

struct LoopVisit {
  const State* entry = nullptr;  // the first state kept in it; null when finished
  bool only_callback = false;    // what repeats is a callback alone
  std::vector<BackEdge> back_edges;
  std::vector<StatePtr> evicted;  // that back edges may pass through
};

// Which id of one state stands for which id of another, while two are compared.
class IdMap {
 public:
  void Reset(uint32_t next_temporary);
  // Both 0, or the pair agrees with what was seen before.
  bool Same(uint32_t old_id, uint32_t new_id);
  // As Same; an old id of 0 needs nothing of the new one.
  bool SameScalar(uint32_t old_id, uint32_t new_id);

 private:
  struct Pair {
    uint32_t old_id, new_id;
  };
  std::vector<Pair> pairs_;
  uint32_t next_temporary_ = 0;
};

enum class Compare : uint8_t {
  kInexact,      // imprecise scalars and dead values do not matter
  kExact,        // the same
  kRangeWithin,  // ranges of all scalars lie within
  kSameBytes,    // and the stack was written in the same places
};

// Byte `at` of what element 0 starts with; bytes that the object does not give
// are zero.
inline uint8_t InitialByte(const MapSpec& map, uint64_t at) {
  if (map.initial_value == nullptr || at >= map.initial_value->size()) return 0;
  return std::to_integer<uint8_t>((*map.initial_value)[at]);
}

// Linux makes device maps read-only for programs by itself.
constexpr bool ReadOnlyForPrograms(const MapSpec& map) {
  return (map.flags & kMapRdonlyProg) != 0 || map.type == MapType::kDevmap ||
         map.type == MapType::kDevmapHash;
}

class Verifier {
 public:
  Verifier(const Program& program, const Environment& environment, const VerifyOptions& options);
  ~Verifier();
  // Before Run: keeps what Lockstep needs.
  void Record() { recording_ = std::make_unique<Recording>(); }
  // Returns true if the program is accepted.
  bool Run();

  std::vector<Finding> TakeFindings() { return std::move(findings_); }
  std::string FinishLog(bool accepted, const VerifierStatistics& statistics);
  VerifierStatistics statistics() const;
  std::shared_ptr<const model::Facts> MakeFacts() const;

 private:
  friend class Lockstep;
  // What paths have shown about an instruction.
  struct InsnNotes {
    model::InsnFact fact;
    RegKind access_kind = RegKind::kNotInit;  // of the pointer, to find mixed ones
    bool has_access : 1 = false;
    bool taken : 1 = false;
    bool fell_through : 1 = false;
    bool has_map : 1 = false;
    bool has_index : 1 = false;
    bool maybe_null_seen : 1 = false;
    bool looked_up : 1 = false;  // a lookup gave a value on some path
    bool loop_seen : 1 = false;  // a call of bpf_loop
    uint16_t access_flags = 0;
  };
  static_assert(sizeof(InsnNotes) <= 24);
  // A visit in two containers, with what they add.
  static constexpr uint64_t kVisitBytes = sizeof(LoopVisit) + 2 * sizeof(LoopPlace);
  enum class Visit : uint8_t { kNew, kSeen, kRefused };
  struct Pending {
    StatePtr state;
    uint32_t insn;
    int64_t previous;
    size_t log_position;
    size_t history_size;
    uint32_t segment;  // of the recording
  };

  // ---- verifier.cc: results
  bool Reject(FindingCode code, Args args);
  void Note(FindingCode code, Args args);
  // explain.cc
  void DescribePath(Finding& finding) const;
  std::string SourceText(uint32_t insn) const;
  std::string InvolvedRegisters() const;
  // Another name: compilers differ on whether {std::string} is a string or Args.
  bool RejectWithText(FindingCode code, std::string message);
  bool CheckProgramType();
  bool CheckMaps();
  bool CheckSubprogramRules();
  bool CheckAddressesTaken();
  bool CheckMap(const MapSpec& map, const FieldRecord& record);
  bool SetUpEntry(uint32_t subprogram);

  // ---- explore.cc: the walk over all paths
  bool Explore(uint32_t subprogram);
  bool Step(bool* path_ends);
  bool StepLoad(const DecodedInsn& insn);
  bool StepStore(const DecodedInsn& insn);
  bool StepAtomic(const DecodedInsn& insn);
  bool StepPacketLoad(const DecodedInsn& insn);
  bool StepWideLoad(const DecodedInsn& insn);
  bool StepCall(const DecodedInsn& insn, bool* path_ends);
  bool StepExit(bool* path_ends);
  State* PutAside(StatePtr other, uint32_t insn, int64_t previous);
  State* PushPath(uint32_t insn, uint32_t previous);
  State* PushFresh(uint32_t insn);
  bool PopPath();
  void FinishPath();
  void PushHistory(uint32_t flags, uint64_t linked);
  uint64_t FixedMemory() const;
  bool CheckMemoryBudget();
  bool CheckSteps();
  void LogInsn();
  void LogChanges();
  void LogSafe();

  // ---- prune.cc: states that cover others
  Visit VisitPrunePoint();
  Visit Covered(State& by);
  void Retire(StatePtr kept);
  void RetireKept();
  bool SameHeld(const State& old_state, const State& current);
  bool ComesRound(const State& old_state);
  bool IsInfiniteLoop(const State& old_state);
  Visit GoOnLike(State& old_state, bool incomplete);
  bool StatesEqual(const State& old_state, const State& current, Compare how);
  bool FramesEqual(const Frame& old_frame, const Frame& current, uint16_t live, uint64_t read,
                   Compare how);
  bool RegisterCovers(const Register& old_reg, const Register& current, Compare how);
  bool StackCovers(const Frame& old_frame, const Frame& current, uint64_t read, Compare how);
  bool SlotCovers(const StackSlot& old_slot, const StackSlot* slot, Compare how);
  bool SpecialSlotCovers(const Register& old_reg, const Register& current);
  bool StatesMaybeLoop(const State& old_state, const State& current);
  void Clean(State& state);
  void KeepWhatMatters(const State& kept, State& copy);
  void KeepState();
  size_t BucketOf(uint32_t insn) const;
  void CountPeakStates();
  bool PropagateFrom(const State& old_state, const PathEnd& end);
  // To be called for whatever an instruction reads of the stack, special slots
  // (iterators, dynptrs, saved interrupt states) included: a slot that no path
  // from a state reads is not compared.
  void MarkSlotsRead(uint32_t frame, uint64_t slots) { MarkSlotsRead(state(), frame, slots); }
  bool MarkSlotsRead(const PathEnd& end, uint32_t frame, uint64_t slots);
  void WidenImprecise(const State& previous, State& current);

  // ---- loops.cc: loops that close by comparison
  uint32_t VisitOf(const State& s);
  void EnterLoop(State& kept);
  void LeaveLoop(State& finished);
  bool MarksIncomplete(const State& kept) const;
  Compare HowToCompare(const State& finished) const;
  bool AddBackEdge(State& target);
  const State* PreviousEntry(uint32_t insn, uint32_t path_depth) const;
  void WidenSinceLastRound(State& other);
  // The next call of an iterator, at insn_ (InsnInfo::iterator_next, so that a
  // state was just kept here). `slot` of `frame` is the iterator's first slot. The
  // current path goes on with the iterator drained: the caller makes r0 null in
  // it. If the iterator was active, *element is the other path, which starts behind
  // the call with one more round made and the numbers that changed and do not
  // matter forgotten: the caller makes r0 an element there. Else it is null.
  // Returns false if the program is refused (too many paths, memory).
  bool ForkIteration(uint32_t frame, size_t slot, State** element);
  bool IteratorIsActive() const;
  bool RoundsDiffer(const State& old_state, const State& current) const;
  void DropEvicted(State& s);
  void Evict(StatePtr s);

  // ---- precision.cc
  bool MarkPrecise(int reg);
  bool Backtrack(const PathEnd& end, PrecisionRequest request);
  enum class BacktrackResult : uint8_t { kOk, kGiveUp };
  BacktrackResult BacktrackInsn(uint32_t insn, int64_t next, const HistoryEntry* entry,
                                PrecisionRequest& request);
  BacktrackResult BacktrackReturn(int64_t next, PrecisionRequest& request);
  bool MarkRequested(State& state, PrecisionRequest& request);
  bool WasMarkedAt(uint32_t history, int64_t at, const PrecisionRequest& request) const;
  void SyncLinked(const HistoryEntry* entry, PrecisionRequest& request) const;
  bool MarkAllPrecise(const PathEnd& end);

  // ---- alu.cc
  bool StepAlu(const DecodedInsn& insn);
  bool StepMove(const DecodedInsn& insn);
  bool StepArithmetic(const DecodedInsn& insn);
  bool PointerArithmetic(const DecodedInsn& insn, const Register& pointer, const Register& offset);
  bool AddToPointer(const Register& pointer, const Register& offset, Register& out);
  bool SubFromPointer(const Register& pointer, const Register& offset, Register& out);
  bool CheckSaneOffset(const Register& reg, const Register& pointer);
  bool CheckUnprivilegedArithmetic(const DecodedInsn& insn, const Register& out);
  bool SplitScalar(const DecodedInsn& insn, const Register& src);
  void LinkForMove(Register& src);
  bool LinkByDelta(const OpInfo& op, bool same_register, const Register& src, bool fits_low,
                   Register& dst) const;

  // ---- branches.cc
  bool StepBranch(const DecodedInsn& insn);
  bool StepMayGoto(const DecodedInsn& insn);
  bool RefinePointers(const DecodedInsn& insn, State& fall, State& jump);
  int DecidePointerBranch(OpKind kind, const Register& a, const Register& b) const;
  int DecidePacketBranch(OpKind kind, const Register& a, const Register& b) const;
  int DecideBranchOf(OpKind kind, int width, const Register& a, const Register& b) const;
  bool MatchPacketPointers(OpKind kind, const DecodedInsn& insn, State& fall, State& jump);
  void FindGoodPacketPointers(State& state, const Register& pointer, bool open);
  void MarkPacketEnd(State& state, int reg, bool open);
  void MarkNullness(State& state, int reg, bool is_null);
  void MarkNotNull(Register& reg);
  void CollectLinked(uint32_t id, LinkedRegisters* out);
  void SyncLinkedRegisters(State& state, const Register& known, const LinkedRegisters& linked);
  bool NotNull(const Register& reg) const;

  // ---- memory.cc
  // Checks an access of `size` bytes at the pointer in register `reg` plus
  // `off`. value_reg: for reads the register that gets the value, for writes
  // the one whose value is stored; -1 for none.
  bool CheckMemory(int reg, int32_t off, int size, Access access, int value_reg, bool strict,
                   bool sign_extend);
  bool CheckAlignment(const Register& reg, int64_t off, int size, bool strict);
  bool CheckRegion(int reg, int64_t off, int64_t size, uint64_t region, bool zero_allowed);
  bool CheckRange(int reg, int64_t off, int64_t size, uint64_t region, bool zero_allowed);
  bool CheckMapAccessRights(int reg, int64_t off, int64_t size, Access access);
  bool CheckMapValue(int reg, int64_t off, int64_t size, bool zero_allowed, Accessor by);
  bool CheckSpecialFields(int reg, int64_t off, int64_t size, Accessor by);
  uint32_t MapIndexOf(const MapSpec& spec);
  bool CheckPacket(int reg, int64_t off, int64_t size, bool zero_allowed);
  bool CheckPointerOffset(const Register& reg, int number, bool fixed_allowed);
  bool AccessMapValue(int reg, int64_t off, int size, Access access, int value_reg,
                      bool sign_extend);
  bool AccessPacket(int reg, int64_t off, int size, Access access, int value_reg);
  bool AccessMemory(int reg, int64_t off, int size, Access access, int value_reg);
  bool ReadConstant(const MapSpec& map, int64_t off, int size, bool sign_extend,
                    uint64_t* value) const;
  void NoteAccess(const Register& pointer);
  bool CheckSameKind(const Register& pointer, bool plain_load);
  bool LeaksPointer(int reg) const;

  // ---- memory_context.cc
  bool AccessContext(int reg, int64_t off, int size, Access access, int value_reg,
                     bool sign_extend);
  bool LoadContextPointer(const ContextField& field, int value_reg);

  // ---- return_value.cc
  bool CheckReturnValue(int reg);
  bool CheckValueRange(int reg, std::string_view where, const ReturnRange& range, bool low_half);
  bool RangeOfTarget(int reg, ReturnRange* range, bool* low_half, bool* decided);
  uint32_t AttachPrototype() const;
  // ---- memory_kernel.cc: pointers into the kernel
  bool AccessBtfPointer(int reg, int64_t off, int64_t size, Access access, int value_reg);
  bool CheckBtfPointer(int reg, int64_t off, Access access);
  bool CheckKernelWrite(int reg, int64_t off, int size);
  bool CheckDummyWrite(int reg, int64_t off, int size);
  bool CheckObjectFields(uint32_t id, int64_t off, int64_t size);
  bool AccessMapPointer(int reg, int64_t off, int size, Access access, int value_reg);
  bool AccessSocket(int reg, int64_t off, int size, Access access, int value_reg);
  bool AccessFlowKeys(int64_t off, int size, Access access, int value_reg);
  bool AccessBuffer(int reg, int64_t off, int64_t size, Access access, int value_reg);
  bool CheckBufferRange(int reg, int64_t off, int64_t size, std::string_view what);
  uint16_t TrustOf(const Register& pointer, const BtfWalk& walk);
  bool IsInSafeList(const Register& pointer, const BtfWalk& walk, std::string_view suffix);
  // A register that holds what a walk through `btf` found.
  Register FromWalk(const BtfWalk& walk, uint32_t btf, uint16_t flags);
  // The id of the kernel's structure `name`; 0 if there is none or no target BTF.
  uint32_t TargetStruct(std::string_view name);

  // ---- memory_stack.cc
  bool CheckStackBounds(int reg, int64_t off, int64_t size, Access access);
  bool AccessStack(int reg, int64_t off, int size, Access access, int value_reg);
  bool ReadStackFixed(uint32_t frame, int64_t off, int size, int dst);
  bool ReadStackVariable(int reg, int64_t off, int size, int dst);
  bool WriteStackFixed(uint32_t frame, int64_t off, int size, int value_reg);
  bool WriteStackVariable(int reg, int64_t off, int size, int value_reg);
  bool CheckStackArgument(int reg, int64_t off, int64_t size, bool zero_allowed, Access access,
                          CallInfo* call);
  void SetFromBytes(const Frame& frame, int64_t low, int64_t high, int dst);
  void SaveRegister(Frame& frame, int64_t off, const Register& reg, int size);

  // ---- calls_helper.cc, calls_arguments.cc
  bool CallHelper(const DecodedInsn& insn);
  bool CheckHelperAllowed(const DecodedInsn& insn, const HelperSpec** helper);
  bool HelperMayTakePackets(const HelperSpec& helper) const;
  bool CheckArgument(const HelperSpec& helper, int index, CallInfo& call);
  bool CheckArgumentMemory(const HelperSpec& helper, int index, const ArgSpec& arg, bool is_null,
                           CallInfo& call);
  bool CheckArgumentKind(const HelperSpec& helper, int index, const ArgSpec& arg);
  bool CheckArgumentOffset(const Register& reg, int number, const ArgSpec& arg);
  bool CheckHelperMemory(int reg, int64_t size, Access access, bool zero_allowed, CallInfo* call);
  bool CheckSizeArgument(int reg, Access access, bool zero_allowed, CallInfo& call);
  bool CheckConstString(int reg, const MapSpec** map, uint64_t* offset);
  bool CheckSnprintf();
  bool CheckMapHelper(const HelperSpec& helper, const CallInfo& call);
  bool CheckHelperRules(const HelperSpec& helper, CallInfo& call);
  bool SetPercpuResult(const HelperSpec& helper, const CallInfo& call);
  bool SetHelperResult(const HelperSpec& helper, const CallInfo& call);
  bool FindConstantKey(const Register& key, CallInfo& call);
  void NoteCall(const HelperSpec& helper, const CallInfo& call);
  bool CheckHelperMaySleep(const HelperSpec& helper);
  void ClearCallerSaved();

  // ---- resources.cc: references, locks, sections
  // A new reference, acquired by this instruction: its id.
  uint32_t AcquireReference();
  // Gives the reference back and invalidates all pointers to it. False if it is
  // not held (nothing is recorded then).
  bool ReleaseReference(uint32_t ref_id);
  // As ReleaseReference, but leaves the pointers alone.
  bool DropReference(uint32_t ref_id);
  void Invalidate(Register& reg) const;
  void InvalidateNonOwning();
  void InvalidatePackets();
  bool CheckNoReferences(bool exception);
  bool CheckNothingHeld(const char* where, bool sections, bool exception);
  bool InRcuSection() const;
  // The special fields of what it points to: a map's value or an object that the
  // program allocated. Null if it has none.
  const FieldRecord* RecordOf(const Register& reg);
  bool MayPointToLock(const Register& reg);
  const SpecialField* FieldAt(int reg, SpecialKind kind);
  bool ProcessLock(int reg, ReferenceKind kind, bool take);
  // In Reference::lock: the map or BTF that a pointer to a lock points into.
  static uint64_t LockHolderOf(const Register& reg);

  // ---- calls_kernel.cc: helpers that take or give kernel objects
  std::string_view TargetName() const;
  const HelperSpec* FindCallableHelper(uint32_t id) const;
  bool TargetAllowsHelper(const HelperSpec& helper) const;
  bool CheckBtfArgument(const HelperSpec& helper, int number, const ArgSpec& arg);
  bool SetKernelResult(const HelperSpec& helper, bool* handled);
  void SetResultReference(const HelperSpec& helper, const CallInfo& call);
  bool MayUpdateSocketMap(uint32_t helper);

  // ---- attach_context.cc: contexts that hold what an attach target gets
  bool CheckAttachTarget();
  bool CheckTracepointTarget(const btf::Btf& btf, const btf::Type& t);
  bool CheckIteratorTarget();
  bool CheckHookTarget();
  bool CheckFunctionTarget();
  bool CheckStructOpsTarget(const btf::Btf& btf);
  bool AccessTargetContext(int64_t off, int size, Access access, int value_reg, bool sign_extend);
  bool ReadTargetArgument(int64_t off, int size, Register* value);
  bool ReadTargetResult(uint32_t number, uint32_t count, int size, Register* value);
  bool ReadTargetPointer(uint32_t number, int64_t off, uint32_t declared,
                         std::string_view parameter, int size, Register* value);
  std::string_view StubParameter(uint32_t number, std::string_view own) const;

  // ---- kernel_symbols.cc
  bool IsPercpuVariable(const btf::Btf& btf, uint32_t id) const;
  bool LoadKernelSymbol(const DecodedInsn& insn);

  // ---- calls_global.cc
  bool CallGlobal(uint32_t subprogram);
  void SetUpGlobalArguments(const GlobalPrototype& prototype);
  void SetUpGlobalArgument(const GlobalArgument& argument, Register& r);
  bool CheckGlobalArguments(const GlobalPrototype& prototype);
  bool CheckGlobalArgument(const GlobalArgument& argument, size_t index);
  bool CheckGlobalMemory(int reg, uint32_t size);
  bool CheckObjectArgument(const GlobalArgument& argument, int number);
  bool CheckContextAsMemory(int reg, uint32_t size);

  // ---- calls_subprogram.cc
  bool CallSubprogram(const DecodedInsn& insn);
  const GlobalPrototype* PrototypeOf(uint32_t subprogram);
  bool ReturnFromSubprogram();
  bool ReturnByTailCall();
  bool NoteLoop(uint32_t callback);
  bool ReturnFromCallback();
  bool CallBack(const HelperSpec& helper, const CallInfo& call);
  void PushFrame(State& state, uint32_t subprogram);

  // ---- arena.cc
  bool StepCast(const DecodedInsn& insn);
  bool AccessArena(Access access, int value_reg);
  bool ArenaTakesNoAtomic(const DecodedInsn& insn) const;
  bool CheckArena(const MapSpec& arena);

  // ---- dynptrs.cc
  const Register* DynptrAt(int reg);
  bool InitDynptr(int reg, uint16_t type, uint32_t clone);
  bool UseDynptr(int reg, uint32_t index, uint16_t types, bool constant);
  bool DestroyDynptr(uint32_t frame, size_t slot);
  // False if the register points to no dynptr that can be released (nothing is
  // recorded then).
  bool ReleaseDynptr(int reg);
  void ForgetDynptr(Frame& frame, size_t first);
  bool CheckDynptrArgument(int reg, const ArgSpec& arg);

  // ---- kptrs.cc
  std::string PointeeName(uint32_t btf, uint32_t id) const;
  Register LoadedKptr(const SpecialField& field);
  bool KptrMatches(const SpecialField& field, int reg);
  bool AccessKptr(const SpecialField& field, Access access, int value_reg);
  bool CheckKptrField(int reg, CallInfo& call);
  bool CheckKptrObject(int reg, const CallInfo& call);
  bool MoveIntoKptr(uint32_t ref_id);
  Register TakenFromKptr(const SpecialField& field) const;

  // ---- callbacks.cc
  bool SetCallbackArguments(const HelperSpec& helper, const Frame& from, Frame& callee);
  State* PushLater(uint32_t subprogram, bool sleepable);
  // `low`..`high`: what the callback may return.
  bool CallBackLater(const Register& field, uint32_t subprogram, bool sleepable, int32_t low,
                     int32_t high);

  // ---- calls_subprogram.cc, after the walk
  bool CheckStackDepths();
  bool CheckStackDepthFrom(uint32_t subprogram);

  // ---- calls_kfunc.cc, kfunc_arguments.cc
  const KfuncPrototype* KfuncPrototypeOf(uint32_t id);
  bool CallKfunc(const DecodedInsn& insn, bool* path_ends);
  bool CheckKfuncAllowed(const KfuncPrototype& prototype);
  bool CheckKfuncArguments(KfuncCall& call);
  bool CheckKfuncScalar(uint32_t index, const KfuncArg& arg, KfuncCall& call);
  bool CheckKfuncPointer(uint32_t index, const KfuncArg& arg, KfuncCall& call, bool* with_size);
  bool CheckKfuncOffset(int number, bool releases);
  bool CheckKfuncPointee(uint32_t index, const KfuncArg& arg, KfuncCall& call);
  bool CheckKfuncObject(uint32_t index, const KfuncArg& arg, const KfuncCall& call);
  uint32_t KernelTypeOf(const Register& r);
  bool CheckKfuncDynptr(uint32_t index, const KfuncArg& arg, KfuncCall& call);
  bool CheckKfuncMap(uint32_t index, KfuncCall& call);
  bool CheckKfuncWorkqueue(uint32_t index, KfuncCall& call);
  bool SetSlice(const KfuncCall& call);
  bool CheckKfuncDrop(uint32_t index, KfuncCall& call);
  bool CheckKfuncMemory(uint32_t index, KfuncCall& call, bool* with_size);
  bool CheckKfuncSizedMemory(int number);
  void NoteObject(const KfuncCall& call);
  bool EnterOrLeaveSections(const KfuncCall& call);
  void LeaveRcuSection();
  bool ReleaseKfuncArgument(KfuncCall& call);
  bool SetKfuncResult(KfuncCall& call);
  bool SetPointerResult(KfuncCall& call, uint32_t pointee);
  bool SetSpecialResult(KfuncCall& call, bool* handled);
  bool SetCast(const KfuncCall& call);
  bool SetNewObject(const KfuncCall& call);

  // ---- iterators.cc
  const Register& IteratorOf(const State& s, const KfuncCall& call) const;
  bool FindStackObject(int number, uint32_t count, std::string_view what, uint32_t* slot,
                       bool* allocated);
  bool CheckKfuncIterator(uint32_t index, const KfuncArg& arg, KfuncCall& call);
  bool MayIterateCssTasks() const;
  bool NewIterator(uint32_t index, uint32_t type, uint32_t count, const KfuncCall& call, int slot);
  bool UseIterator(uint32_t index, uint32_t type, uint32_t count, KfuncCall& call, uint32_t slot);
  bool StepIterator(const KfuncCall& call);

  // ---- exceptions.cc
  bool Throw();
  bool CheckThrow(uint32_t insn, const std::vector<uint32_t>& chain);

  // ---- graphs.cc
  bool InGraphCallback() const;
  bool IsLockHeldFor(const Register& r);
  bool CheckGraphRoot(uint32_t index, SpecialKind kind, KfuncCall& call);
  bool CheckGraphNode(uint32_t index, SpecialKind kind, KfuncCall& call);
  bool CheckRefcounted(uint32_t index, KfuncCall& call);
  static Register NodeOf(const SpecialField& root);
  void MarkNonOwning(Register& r);
  bool GiveToGraph(const KfuncCall& call);
  bool CallLess(const KfuncCall& call);

  // ---- sections.cc
  bool CheckIrqFlag(uint32_t index, const KfuncCall& call);
  bool RestoreIrq(uint32_t id);
  bool CheckResilientLock(uint32_t index, const KfuncCall& call);
  bool ForkFailedLock(const KfuncCall& call);

  // ---- shared by the groups
  State& state() { return *current_; }
  Register& reg(int i) { return current_->reg(static_cast<size_t>(i)); }
  bool CheckSource(int reg);
  bool CheckDestination(int reg);
  void SetUnknown(int i);
  uint32_t NewId() { return ++next_id_; }
  const MapSpec& map(uint32_t index) const { return *maps_[index]; }
  // The BTF that Register::btf stands for; null if there is none.
  const btf::Btf* BtfOf(uint32_t which) const {
    return (which == kTargetBtf ? program_.data().target_btf : program_.data().btf).get();
  }
  // The special fields of the program's own structs.
  const LocalRecords& local_records();
  Referents referents() const {
    return {maps_, program_.data().btf.get(), program_.data().target_btf.get()};
  }
  uint32_t max_frames() const { return std::min<uint32_t>(options_.max_frames, kMaxFrames); }
  // Linux's names for what the loader's rights allow.
  bool bpf_capable() const { return options_.rights != Rights::kUnprivileged; }
  bool allow_ptr_leaks() const { return options_.rights == Rights::kRoot; }
  bool bypass_spec() const { return allow_ptr_leaks() || !options_.mitigations; }
  const InsnInfo& info(uint32_t i) const { return structure_.insns[i]; }
  void TouchSlot(uint32_t frame, int64_t off);

  // Behind all that lives in their memory, so that they outlive it.
  base::Scratch scratch_;
  StatePool pool_{scratch_};

  const Program& program_;
  const Environment& environment_;
  const VerifyOptions& options_;
  const bool strict_alignment_;  // the options or the program ask for it
  const bool keep_all_states_;
  const ProgramType* type_ = nullptr;
  // What the program attaches to, in the target BTF.
  struct Target {
    std::string_view name;       // of the function, tracepoint or member
    std::string_view structure;  // struct_ops: whose member
    uint32_t proto = 0;          // kFuncProto
    uint32_t first_argument = 0;
    uint32_t stub = 0;  // kFuncProto of the kernel's own function for a member; 0 if none
  };
  Target target_;
  Structure structure_{scratch_};
  std::vector<const MapSpec*> maps_;             // the program's, then inner maps met on the way
  std::vector<FieldRecord> records_;             // by map
  const MapSpec* arena_ = nullptr;               // the program's, if it has one
  std::unique_ptr<LocalRecords> local_records_;  // when asked for
  std::vector<std::pair<std::string, uint32_t>> target_structs_;  // looked up before
  std::pmr::vector<InsnNotes> notes_{&scratch_};
  std::vector<std::unique_ptr<GlobalPrototype>> prototypes_;    // by subprogram, when asked for
  std::map<uint32_t, std::unique_ptr<KfuncPrototype>> kfuncs_;  // by BTF id, when called

  StatePtr current_;
  std::pmr::vector<Pending> pending_{&scratch_};
  // By BucketOf; State::next leads to older ones. Owned.
  std::pmr::vector<State*> kept_{&scratch_};
  std::vector<StatePtr> evicted_;
  std::pmr::vector<HistoryEntry> history_{&scratch_};
  bool history_open_ = false;  // the current instruction has an entry already
  IdMap ids_;
  std::unique_ptr<Recording> recording_;  // null unless asked for
  std::vector<LoopVisit> visits_;         // visit 0 is none
  std::unordered_map<LoopPlace, uint32_t, LoopPlace::Hash> visit_by_place_;
  uint64_t back_edges_ = 0;  // of all visits
  // Steps follow one run (lockstep.h): there are no kept states on its path to
  // mark, to widen towards or to compare with.
  bool lockstep_ = false;

  // Where MarkPrecise walked back from last, and what it wanted there.
  struct Marked {
    uint32_t history = 0;
    uint32_t insn = 0xffffffff;  // none
    uint32_t frame = 0;
    uint16_t regs = 0;
    // No instruction is met twice between two entries of the history.
    bool IsAt(const PathEnd& path, uint32_t at) const {
      return history == path.history && insn == at && frame == path.depth;
    }
  };
  Marked last_marked_;
  Register immediate_ = Register::Unknown();  // the second operand, where it is a number
  size_t last_difference_ = 0;                // the register that told two states apart last

  uint32_t insn_ = 0;
  uint32_t next_insn_ = 0;  // where the current instruction leads
  int64_t previous_insn_ = -1;
  uint32_t next_id_ = 0;
  uint64_t processed_ = 0;
  uint64_t jumps_ = 0;
  uint64_t last_kept_processed_ = 0;
  uint64_t last_kept_jumps_ = 0;
  uint64_t total_states_ = 0;
  uint64_t peak_states_ = 0;
  uint64_t max_states_per_insn_ = 0;
  uint64_t peak_memory_ = 0;
  uint64_t fixed_memory_ = 0;
  size_t most_references_ = 0;  // of any state so far
  uint64_t kept_count_ = 0;
  uint32_t stack_depth_ = 0;
  uint32_t context_bytes_ = 0;  // one past the highest context byte accessed

  Log log_;
  StateChanges changes_;
  bool print_full_state_ = true;
  size_t insn_text_end_ = 0;  // of the log, just behind the last instruction printed
  size_t insn_text_size_ = 0;
  const SourceLine* last_line_ = nullptr;
  std::vector<Finding> findings_;
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_VERIFIER_H_
