// SPDX-License-Identifier: Apache-2.0
// What the verifier knows at one point of one path: registers, stack frames,
// acquired references.
//
// Register is the abstract value of a register or of 8 bytes of stack. Two
// values with the same id are related: scalars with one id are equal (or differ
// by a constant, see kLinkedByDelta), maybe-null pointers with one id are null
// together, packet pointers with one id share their variable part.
//
// Paths are copied far more often than they grow. So the copies share what they
// do not change: callers' frames whole, stacks by chunks of four slots.
//
// Threads: used by one Verifier, which belongs to one call of Verify.

#ifndef SKEP_VERIFIER_STATE_H_
#define SKEP_VERIFIER_STATE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/scratch.h"
#include "verifier/scalar.h"

namespace skep::verifier {

inline constexpr int kMaxFrames = 8;
inline constexpr int kMaxStack = 512;           // bytes of one frame
inline constexpr int kSlotBytes = 8;            // bytes of a stack slot
inline constexpr int64_t kMaxVarOff = 1 << 29;  // offsets of pointers stay below
inline constexpr int kMaxPacketOff = 0xffff;

enum class RegKind : uint8_t {
  kNotInit,
  kScalar,
  kContext,
  kMapPointer,  // the map itself
  kMapValue,
  kMapKey,
  kStack,
  kPacket,
  kPacketMeta,
  kPacketEnd,
  kMemory,    // `size` bytes: helper memory, ring buffer records, plain memory
  kFunction,  // a subprogram
  kFlowKeys,
  kSocket,
  kSockCommon,
  kTcpSock,
  kXdpSock,
  kTracingBuffer,  // of a writable raw tracepoint
  kBuffer,         // of an iterator's key or value: any size, checked at run time
  kBtfId,          // an object of BTF type `btf_id`; null, but for faults that Linux mends
  kArena,
  kDynptr,    // a dynptr as an argument; in a stack slot: half of one
  kIterator,  // in stack slots only
};

// Linux's modifiers of a register type.
enum RegFlags : uint16_t {
  kMaybeNull = 1u << 0,
  kReadOnly = 1u << 1,
  kRingbuf = 1u << 2,
  kUser = 1u << 3,       // user memory
  kPercpu = 1u << 4,     // needs this_cpu_ptr
  kUntrusted = 1u << 5,  // may point anywhere: loads are guarded, no call takes it
  kAlloc = 1u << 6,      // made by the program (bpf_obj_new), of the program's own BTF
  kTrusted = 1u << 7,
  kRcu = 1u << 8,        // valid while the RCU section lasts
  kNonOwning = 1u << 9,  // in a list or tree: valid while its lock is held
  // kDynptr: what it points to
  kDynptrLocal = 1u << 10,
  kDynptrRingbuf = 1u << 11,
  kDynptrSkb = 1u << 12,
  kDynptrXdp = 1u << 13,
  kDynptrSkbMeta = 1u << 14,
};
inline constexpr uint16_t kDynptrTypes =
    kDynptrLocal | kDynptrRingbuf | kDynptrSkb | kDynptrXdp | kDynptrSkbMeta;

// In Register::btf: whose types Register::btf_id counts.
enum : uint32_t { kProgramBtf = 0, kTargetBtf = 1 };

enum class IteratorState : uint8_t { kActive, kDrained };

// In Register::id of a scalar: it is not equal to the other scalars with this
// id, but to them plus its own `off`; with kLinkedLow modulo 2^32, and then the
// others fit 32 bits.
inline constexpr uint32_t kLinkedWide = 1u << 31;
inline constexpr uint32_t kLinkedLow = 1u << 30;
inline constexpr uint32_t kLinkedByDelta = kLinkedWide | kLinkedLow;

// Register::range of packet pointers that were compared with the end.
inline constexpr int32_t kAtPacketEnd = -1;
inline constexpr int32_t kBeyondPacketEnd = -2;

struct Register {
  RegKind kind = RegKind::kNotInit;
  bool precise = false;  // scalars: its value matters for later checks
  uint16_t flags = 0;    // RegFlags
  int32_t off = 0;       // pointers: constant part of the offset; kIterator: rounds
  uint32_t id = 0;
  uint32_t ref_id = 0;  // the acquired reference it stands for
  union {
    uint32_t map = 0;  // map kinds: index into Verifier::maps()
    uint32_t btf;      // kBtfId, kIterator: kProgramBtf or kTargetBtf
    uint32_t dynptr;   // kMemory: the id of the dynptr that it is a slice of, 0 if none
  };
  union {
    int32_t range = 0;    // packet kinds: bytes known to be there behind the id's base
    uint32_t map_uid;     // map kinds: tells inner maps of different lookups apart
    uint32_t size;        // kMemory, kBuffer, kTracingBuffer
    uint32_t subprogram;  // kFunction
    uint32_t btf_id;      // kBtfId: the struct; kIterator: struct bpf_iter_*
  };
  uint8_t frame = 0;        // kStack: whose stack
  bool first_slot = false;  // kDynptr, kIterator in the stack: the slot of the lowest address
  IteratorState iterator = IteratorState::kActive;  // kIterator
  Scalar var;  // scalars: the value; pointers: the variable part of the offset

  bool IsScalar() const { return kind == RegKind::kScalar; }
  bool IsPointer() const { return kind != RegKind::kScalar && kind != RegKind::kNotInit; }
  bool MaybeNull() const { return (flags & kMaybeNull) != 0; }
  bool IsPacket() const { return kind == RegKind::kPacket || kind == RegKind::kPacketMeta; }
  bool IsSocket() const {
    return kind == RegKind::kSocket || kind == RegKind::kSockCommon || kind == RegKind::kTcpSock ||
           kind == RegKind::kXdpSock;
  }
  bool IsPacketAny() const { return IsPacket() || kind == RegKind::kPacketEnd; }
  bool IsNullConstant() const { return IsScalar() && var.bits.IsConst() && var.value() == 0; }
  bool HasConstOffset() const { return var.bits.IsConst(); }

  static Register Unknown() {
    Register r;
    r.kind = RegKind::kScalar;
    return r;
  }
  static Register Number(uint64_t value) {
    Register r;
    r.kind = RegKind::kScalar;
    r.var = Scalar::Const(value);
    return r;
  }
  static Register Pointer(RegKind kind, uint16_t flags = 0) {
    Register r;
    r.kind = kind;
    r.flags = flags;
    r.var = Scalar::Const(0);
    return r;
  }
  void ClearId() {
    id = 0;
    off = 0;
  }
};
static_assert(std::is_trivially_copyable_v<Register> && sizeof(Register) <= 96);

// What is known about one byte of stack.
enum class StackByte : uint8_t {
  kInvalid,  // never written
  kMisc,     // some number
  kZero,
  kSpill,  // part of the register kept in StackSlot::reg
  // Owned by Linux's own types, all 8 bytes of a slot alike; StackSlot::reg says what.
  kDynptr,
  kIterator,
  kIrqFlag,
};

// 8 bytes of stack. bytes[0] has the lowest address. If bytes[0] is kSpill, reg
// is the register stored there; a store of fewer bytes has fewer kSpill bytes.
struct StackSlot {
  std::array<StackByte, kSlotBytes> bytes{};
  Register reg;

  bool IsSpill() const { return bytes[0] == StackByte::kSpill; }
  bool IsSpecial() const { return bytes[0] >= StackByte::kDynptr; }
  bool IsScalarSpill() const { return IsSpill() && reg.IsScalar(); }
  bool IsFullScalarSpill() const {
    return IsScalarSpill() && bytes[kSlotBytes - 1] == StackByte::kSpill;
  }
  // The register is gone; what was spilled is some number now.
  void Scrub();
};

// Slot and byte of the stack address r10 + off, off < 0.
constexpr int SlotOf(int64_t off) { return static_cast<int>((-off - 1) / kSlotBytes); }
constexpr size_t ByteOf(int64_t off) { return static_cast<size_t>(off) & (kSlotBytes - 1); }

class StatePool;

// Slots of a stack. States share chunks until one of them changes a slot.
struct StackChunk {
  static constexpr size_t kSlots = 4;
  uint32_t users = 1;
  std::array<StackSlot, kSlots> slots;
};

// The stack of a frame: [i] is r10 - 8 * (i + 1).
//
// A reference to a slot means what it did until Mutable is called for a slot
// nearby, or the state is copied: then it may be another state's slot.
class Stack {
 public:
  explicit Stack(StatePool& pool) : pool_(&pool) {}
  Stack(const Stack& from);
  Stack& operator=(const Stack&) = delete;
  ~Stack();

  size_t size() const { return size_; }
  const StackSlot& operator[](size_t i) const {
    return chunks_[i / StackChunk::kSlots]->slots[i % StackChunk::kSlots];
  }
  StackSlot& Mutable(size_t i) {
    StackChunk*& chunk = chunks_[i / StackChunk::kSlots];
    if (chunk->users != 1) Unshare(chunk);
    return chunk->slots[i % StackChunk::kSlots];
  }
  // New slots were never written.
  void Grow(size_t slots);
  // Forgets the slots whose bit is not set.
  void KeepOnly(uint64_t slots);

 private:
  size_t chunk_count() const { return (size_ + StackChunk::kSlots - 1) / StackChunk::kSlots; }
  void Unshare(StackChunk*& chunk);

  StatePool* pool_;
  uint32_t size_ = 0;
  std::array<StackChunk*, kMaxStack / kSlotBytes / StackChunk::kSlots> chunks_;
};

inline constexpr uint32_t kMainCallsite = 0xffffffff;

struct Frame {
  explicit Frame(StatePool& pool) : stack(pool) {}

  std::array<Register, 11> regs;
  uint32_t users = 1;                 // states that share it
  uint32_t callsite = kMainCallsite;  // the call instruction, kMainCallsite in the outermost frame
  uint32_t subprogram = 0;
  bool in_callback = false;
  bool in_async_callback = false;      // run later, by a timer or work queue
  bool in_exception_callback = false;  // runs after bpf_throw
  // Callbacks: what they may return.
  int32_t callback_min = 0;
  int32_t callback_max = 1;
  uint32_t async_entries = 0;   // entries into asynchronous callbacks that led here
  uint32_t callback_depth = 0;  // rounds of the callback that it called followed so far
  Stack stack;

  Register& operator[](size_t i) { return regs[i]; }
  const Register& operator[](size_t i) const { return regs[i]; }
  int depth_bytes() const { return static_cast<int>(stack.size()) * kSlotBytes; }
};

// A frame of a state, shared with other states. Null where there is none.
class FrameRef {
 public:
  FrameRef() = default;
  FrameRef(const FrameRef&) = delete;
  FrameRef& operator=(const FrameRef&) = delete;
  const Frame& operator*() const { return *frame_; }
  const Frame* operator->() const { return frame_; }
  explicit operator bool() const { return frame_ != nullptr; }

 private:
  friend struct State;
  Frame* frame_ = nullptr;
};

enum class ReferenceKind : uint8_t {
  kObject,  // must be released before the program ends
  kIrqState,
  kSpinLock,
  kResilientLock,
  kResilientIrqLock,
};

struct Reference {
  uint32_t id = 0;
  uint32_t insn = 0;  // where it was acquired
  ReferenceKind kind = ReferenceKind::kObject;
  uint64_t lock = 0;  // locks: tells apart what holds the lock (a map, an object)
  friend bool operator==(const Reference&, const Reference&) = default;
};

// A place in a Recording.
struct RecordedPlace {
  uint32_t segment = 0;
  uint32_t step = 0;
};

struct State;

// Gives a state back to its pool.
struct ReturnState {
  void operator()(State* state) const;
};
using StatePtr = std::unique_ptr<State, ReturnState>;

// Where a path stands, and how it came there from the state kept last on it.
struct PathEnd {
  State* parent = nullptr;     // the state kept last on this path
  uint32_t depth = 0;          // index of the current frame
  uint32_t insn = 0;           // kept states: where
  uint32_t first_insn = 0;     // first instruction after the parent state
  uint32_t last_insn = 0;      // last instruction before this state
  uint32_t history = 0;        // last entry of Verifier::history_ of this path, 0 for none
  uint32_t history_start = 0;  // the one that was last when the parent was kept
  uint32_t history_count = 0;  // entries between them
  // Stack slots written whole since the parent state, by frame, one bit a slot.
  std::array<uint64_t, kMaxFrames> written{};
};

struct State : PathEnd {
  explicit State(StatePool& p) : pool(p) {}
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  StatePool& pool;
  // The current frame, frames[depth], is never shared.
  std::array<FrameRef, kMaxFrames> frames;
  std::vector<Reference> refs;
  // Sections that are open, nested ones counted.
  uint32_t locks = 0;  // of refs, those that are locks
  uint32_t rcu_sections = 0;
  uint32_t preempt_sections = 0;
  uint32_t irq_id = 0;     // the innermost saved interrupt state, 0 if none
  bool sleepable = false;  // what runs here may sleep

  // Where it stands in the exploration (explore.cc, precision.cc).
  uint32_t branches = 1;    // paths from here that are not finished
  uint32_t path_depth = 0;  // states kept before it on its path
  uint32_t may_goto_depth = 0;
  uint32_t callback_depth = 0;
  // Kept states only.
  bool cleaned = false;  // dead registers and slots are forgotten
  bool evicted = false;  // no longer compared with, kept for its children
  uint32_t visit = 0;    // of the loop it stands in: Verifier::visits_; 0 for none
  // Stack slots that paths through this state read, unless they wrote them
  // before, by frame, one bit a slot (prune.cc).
  std::array<uint64_t, kMaxFrames> read{};
  uint32_t evicted_at = 0;   // its place in Verifier::evicted_
  RecordedPlace recorded;    // if the exploration is recorded
  bool covers_path = false;  // then: a path ended here because of this state
  uint32_t hits = 0;
  uint32_t misses = 0;

  State* next = nullptr;  // kept before it among those that are compared with together

  Frame& frame() { return *frames[depth].frame_; }
  const Frame& frame() const { return *frames[depth]; }
  Register& reg(size_t i) { return frames[depth].frame_->regs[i]; }
  const Register& reg(size_t i) const { return frames[depth]->regs[i]; }
  // A frame to change. References to what was in it may be another state's then.
  Frame& MutableFrame(uint32_t i);
  // A new frame, the current one.
  Frame& PushFrame();
  // The current frame ends; the one that called it is current.
  void PopFrame();
  // Copies what describes the path: frames, references and position in it.
  void CopyFrom(const State& from);

 private:
  void Drop(uint32_t i);
};

// Memory of the states of one verification: states, frames and chunks of stack
// are handed out and taken back, with what is in use counted.
class StatePool {
 public:
  explicit StatePool(base::Scratch& scratch) : scratch_(scratch) {}
  StatePool(const StatePool&) = delete;
  StatePool& operator=(const StatePool&) = delete;

  StatePtr NewState() { return StatePtr(states_.New(scratch_, *this)); }
  // Bytes of frames and stacks in use.
  uint64_t bytes() const {
    return frames_.in_use * sizeof(Frame) + chunks_.in_use * sizeof(StackChunk);
  }

 private:
  friend class Stack;
  friend struct State;
  friend struct ReturnState;
  // Objects of one type; those taken back are handed out again.
  template <class T>
  struct Recycler {
    struct Free {
      Free* next;
    };
    static_assert(sizeof(T) >= sizeof(Free) && alignof(T) <= base::Scratch::kAlignment);
    Free* free = nullptr;
    uint64_t in_use = 0;

    template <class... Args>
    T* New(base::Scratch& scratch, Args&&... args) {
      ++in_use;
      void* memory = free;
      if (memory != nullptr) {
        free = free->next;
      } else {
        memory = scratch.Take(sizeof(T));
      }
      return new (memory) T(std::forward<Args>(args)...);
    }
    void Delete(T* object) {
      --in_use;
      object->~T();
      free = new (object) Free{free};
    }
  };

  base::Scratch& scratch_;
  Recycler<State> states_;
  Recycler<Frame> frames_;
  Recycler<StackChunk> chunks_;
  StackChunk empty_;  // stands for all chunks that were never written
};

// The current function was entered by the same chain of calls.
inline bool SameCallsites(const State& a, const State& b) {
  if (a.depth != b.depth) return false;
  for (uint32_t i = 0; i <= a.depth; ++i) {
    if (a.frames[i]->callsite != b.frames[i]->callsite) return false;
  }
  return true;
}

// Calls change(Register&) for each register and each spilled register of all
// frames for which wanted(const Register&) holds.
template <class Wanted, class Change>
void ChangeRegisters(State& state, Wanted&& wanted, Change&& change) {
  for (uint32_t f = 0; f <= state.depth; ++f) {
    const Frame* frame = &*state.frames[f];
    for (size_t i = 0; i < frame->regs.size(); ++i) {
      if (!wanted(frame->regs[i])) continue;
      Frame& changed = state.MutableFrame(f);
      change(changed.regs[i]);
      frame = &changed;
    }
    for (size_t i = 0; i < frame->stack.size(); ++i) {
      if (!frame->stack[i].IsSpill() || !wanted(frame->stack[i].reg)) continue;
      Frame& changed = state.MutableFrame(f);
      change(changed.stack.Mutable(i).reg);
      frame = &changed;
    }
  }
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_STATE_H_
