// SPDX-License-Identifier: Apache-2.0
// What programs read from the context of a packet, against BPF_PROG_TEST_RUN of
// the running kernel: every readable field of the types that RunPacket runs.
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/bpf_syscall.h"
#include "tests/vm/engine_fixture.h"
#include "vm/program_types.h"

namespace skep {
namespace {

using test::ProgramFromText;

struct Packet {
  const char* name;
  std::vector<uint8_t> bytes;
};

// An Ethernet frame of `size` bytes from 02:00:00:00:00:01.
Packet Frame(const char* name, std::vector<uint8_t> destination, uint16_t type,
             const std::vector<uint8_t>& payload, size_t size) {
  std::vector<uint8_t> bytes = std::move(destination);
  const std::vector<uint8_t> source{2, 0, 0, 0, 0, 1};
  bytes.insert(bytes.end(), source.begin(), source.end());
  bytes.push_back(static_cast<uint8_t>(type >> 8));
  bytes.push_back(static_cast<uint8_t>(type));
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize(size);
  return {name, std::move(bytes)};
}

std::vector<Packet> Packets() {
  const std::vector<uint8_t> zero(6), unicast{0x52, 0x54, 0, 1, 2, 3}, broadcast(6, 0xff);
  const std::vector<uint8_t> ipv4{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6};
  const std::vector<uint8_t> ipv6{0x60, 0, 0, 0, 0, 0, 59, 64};
  const std::vector<uint8_t> tag{0x61, 0x23, 0x08, 0x00, 0x45};
  return {
      Frame("zero destination", zero, 0x0800, ipv4, 64),
      Frame("unicast", unicast, 0x0800, ipv4, 64),
      Frame("broadcast", broadcast, 0x0806, {0, 1, 8, 0}, 42),
      Frame("IPv4 multicast", {0x01, 0x00, 0x5e, 0, 0, 1}, 0x0800, ipv4, 60),
      Frame("IPv6 multicast", {0x33, 0x33, 0, 0, 0, 1}, 0x86dd, ipv6, 90),
      Frame("all but the last byte broadcast", {0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, 0x0800, ipv4,
            64),
      Frame("VLAN tag", unicast, 0x8100, tag, 64),
      Frame("service VLAN tag", unicast, 0x88a8, tag, 64),
      Frame("802.3 length with LLC", unicast, 46, {0x42, 0x42, 3}, 60),
      Frame("802.3 length with raw IPX", unicast, 46, {0xff, 0xff, 0}, 60),
      Frame("the largest 802.3 number", unicast, 0x05ff, {}, 60),
      Frame("the smallest EtherType", unicast, 0x0600, {}, 60),
      Frame("length 0", unicast, 0, {}, 60),
      Frame("header and a byte", unicast, 0x0806, {0x45}, 15),
      Frame("802.3 header and a byte", unicast, 1, {0xff}, 15),
      Frame("header alone", unicast, 0x0806, {}, 14),
      Frame("802.3 header alone", unicast, 0, {}, 14),
      Frame("full frame", unicast, 0x0800, ipv4, 1514),
      Frame("more than an Ethernet frame", broadcast, 0x86dd, ipv6, 3000),
  };
}

struct Reader {
  std::string name;
  std::string code;
};

// Programs that return the field, 32 bits each. A pointer field shows what it
// points to, or how far that is from `data`.
std::vector<Reader> ReadersOf(const ProgramType& type, const ContextField& field) {
  const std::string name(field.name);
  const auto load = [](const char* reg, const ContextField& of) {
    const std::string width = of.kind == FieldKind::kScalar ? std::to_string(of.size * 8) : "32";
    return std::string(reg) + " = *(u" + width + " *)(r1 + " + std::to_string(of.offset) + ")\n";
  };
  const auto find = [&](FieldKind kind) -> const ContextField& {
    for (const ContextField& other : type.fields) {
      if (other.kind == kind) return other;
    }
    ADD_FAILURE() << "no packet field of this kind in " << type.name;
    return field;
  };
  switch (field.kind) {
    case FieldKind::kSocket:  // always null here, and the kernel's own pointers there
    case FieldKind::kSocketOrNull:
    case FieldKind::kSockCommonOrNull:
    case FieldKind::kFlowKeys:
    case FieldKind::kTracepointBuffer:
    case FieldKind::kKernelObject:
      return {};
    case FieldKind::kPacketData:
      return {{name, load("r2", field) + load("r3", find(FieldKind::kPacketEnd)) +
                         "r4 = r2\nr4 += 14\nr0 = 0x100\nif r4 > r3 goto end\n"
                         "r0 = *(u8 *)(r2 + 11)\nr5 = *(u8 *)(r2 + 0)\nr0 <<= 8\nr0 |= r5\n"
                         "end:\nexit\n"}};
    case FieldKind::kPacketEnd:
      return {{name,
               load("r0", field) + load("r2", find(FieldKind::kPacketData)) + "r0 -= r2\nexit\n"}};
    case FieldKind::kPacketMeta:
      return {{name,
               load("r0", find(FieldKind::kPacketData)) + load("r2", field) + "r0 -= r2\nexit\n"}};
    case FieldKind::kScalar:
      break;
  }
  std::vector<Reader> readers{{name, load("r0", field) + "exit\n"}};
  if (field.size == 8) {
    readers.push_back({name + ", high half", load("r0", field) + "r0 >>= 32\nexit\n"});
  }
  return readers;
}

class PacketRun : public testing::TestWithParam<std::tuple<ProgramTypeId, Engine>> {
 protected:
  void SetUp() override {
    const std::string why = test::WhyNoKernel();
    if (!why.empty()) GTEST_SKIP() << why;
  }
  ProgramTypeId type_id() const { return std::get<0>(GetParam()); }

  void Compare(const ProgramType& type, const Reader& reader) {
    const Program program =
        ProgramFromText("-- type\n" + std::string(type.name) + "\n-- asm\n" + reader.code);
    std::string log;
    const test::Fd kernel =
        test::KernelProgramLoad(static_cast<uint32_t>(type.id), program.insns(), &log);
    ASSERT_TRUE(kernel.ok()) << reader.name << ": " << log;
    auto loaded = instance_->Load(program, test::Privileged(std::get<1>(GetParam())));
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_NE(loaded->executable, nullptr) << reader.name << ": " << loaded->report.log;
    for (const Packet& packet : Packets()) {
      uint32_t expected = 0;
      ASSERT_EQ(test::KernelProgramRun(kernel, packet.bytes, &expected), 0) << packet.name;
      std::vector<uint8_t> bytes = packet.bytes;
      const RunResult result = loaded->executable->RunPacket(
          *context_, {.data = std::as_writable_bytes(std::span(bytes))});
      EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
      EXPECT_EQ(static_cast<uint32_t>(result.value), expected)
          << reader.name << " of packet '" << packet.name << "'";
    }
  }

  std::unique_ptr<Runtime> runtime_ = *Runtime::Create({});
  std::unique_ptr<ExecutionContext> context_ = *runtime_->NewContext();
  std::shared_ptr<Instance> instance_ = *runtime_->Instantiate(std::span<const MapSpec>());
};

TEST_P(PacketRun, GivesEveryFieldTheKernelsValue) {
  const ProgramType* type = runtime_->environment().FindProgramType(type_id(), 0);
  ASSERT_NE(type, nullptr);
  size_t compared = 0;
  for (const ContextField& field : type->fields) {
    for (const Reader& reader : ReadersOf(*type, field)) {
      Compare(*type, reader);
      ++compared;
    }
  }
  EXPECT_GE(compared, 5u);
}

std::string TypeAndEngine(const testing::TestParamInfo<PacketRun::ParamType>& param) {
  std::string name;
  for (const ProgramType& type : BuiltinProgramTypes()) {
    if (type.id == std::get<0>(param.param)) name = type.name;
  }
  return name + "_" + std::string(EngineName(std::get<1>(param.param)));
}

// BPF_XDP_DEVMAP and lwt_seg6local programs are left out: the kernel refuses to
// test-run them. cgroup_skb programs cannot return what they read.
INSTANTIATE_TEST_SUITE_P(
    Types, PacketRun,
    testing::Combine(
        testing::Values(ProgramTypeId::kXdp, ProgramTypeId::kSocketFilter, ProgramTypeId::kSchedCls,
                        ProgramTypeId::kSchedAct, ProgramTypeId::kLwtIn, ProgramTypeId::kLwtOut,
                        ProgramTypeId::kLwtXmit),
        testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline, Engine::kJit)),
    TypeAndEngine);

}  // namespace
}  // namespace skep
