// SPDX-License-Identifier: Apache-2.0
// Programs that reach into the kernel: contexts by BTF, objects and their fields,
// sockets, kernel variables, struct_ops. They are judged by the types of the
// running kernel.

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "btf/btf.h"
#include "verifier/btf_walk.h"
#include "vm/program_types.h"
#include "vm/test_file.h"

namespace skep::verifier {
namespace {

using btf::Kind;

std::shared_ptr<const btf::Btf> Kernel() {
  static const std::shared_ptr<const btf::Btf> kernel = [] {
    std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    auto parsed = btf::Btf::Parse(std::as_bytes(std::span(bytes)), btf::Origin::kKernel);
    return parsed ? *parsed : nullptr;
  }();
  return kernel;
}

std::optional<uint32_t> OffsetOf(uint32_t id, std::string_view name) {
  if (!IsStruct(*Kernel(), id)) return std::nullopt;
  for (uint32_t i = 0; i < Kernel()->type(id).vlen; ++i) {
    const btf::Member m = Kernel()->member(id, i);
    if (m.name == name) return m.bit_offset / 8;
    if (!m.name.empty()) continue;
    if (auto inner = OffsetOf(Kernel()->SkipModifiers(m.type), name))
      return m.bit_offset / 8 + *inner;
  }
  return std::nullopt;
}

// @struct.field@ becomes the field's offset.
std::string Fill(std::string code) {
  for (size_t at; (at = code.find('@')) != std::string::npos;) {
    const size_t end = code.find('@', at + 1);
    const std::string name = code.substr(at + 1, end - at - 1);
    const size_t dot = name.find('.');
    const uint32_t id = Kernel()->Find(name.substr(0, dot), Kind::kStruct);
    const auto off = OffsetOf(id, name.substr(dot + 1));
    EXPECT_TRUE(off.has_value()) << name;
    code.replace(at, end - at + 1, std::to_string(off.value_or(0)));
  }
  return code;
}

struct Case {
  std::string code;
  std::string message;  // empty: accepted
  ProgramTypeId type = ProgramTypeId::kTracing;
  uint32_t attach = 23;  // tp_btf
  std::string target = "btf_trace_sched_switch";
  Kind kind = Kind::kTypedef;
  std::string license = "GPL";
  bool sleepable = false;
  std::string maps = "";
  Rights rights = Rights::kRoot;
};

uint32_t MemberIndex(uint32_t id, std::string_view name) {
  for (uint32_t i = 0; i < Kernel()->type(id).vlen; ++i) {
    if (Kernel()->member(id, i).name == name) return i;
  }
  return 0;
}

VerifierReport Judge(const Case& c, uint32_t symbol = 0) {
  const std::string maps = c.maps.empty() ? "" : "-- maps\n" + c.maps + "\n";
  Result<TestFile> parsed =
      ParseTestFile("-- type\nxdp\n" + maps + "-- asm\n" + Fill(c.code) + "\n", "test.ebpf");
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  if (!parsed) return {};
  ProgramData data = parsed->program;
  data.type = c.type;
  data.expected_attach_type = c.attach;
  data.target_btf = Kernel();
  data.license = c.license;
  data.sleepable = c.sleepable;
  if (!c.target.empty()) {
    data.attach_btf_id = Kernel()->Find(c.target, c.kind);
    EXPECT_NE(data.attach_btf_id, 0u) << c.target;
  }
  // "r1 = 0 ll" first: the address of a kernel symbol.
  if (symbol != 0) {
    data.insns[0].src = kPseudoBtfId;
    data.insns[0].imm = static_cast<int32_t>(symbol);
  }
  Result<Program> program = Program::Create(data);
  EXPECT_TRUE(program.has_value()) << (program ? "" : program.error().message);
  if (!program) return {};
  VerifyOptions options;
  options.rights = c.rights;
  options.log_level = 1;
  return Verify(*program, BuiltinEnvironment(2), options).report;
}

void Expect(const Case& c, uint32_t symbol = 0) {
  SCOPED_TRACE(c.code);
  const VerifierReport report = Judge(c, symbol);
  if (c.message.empty()) {
    EXPECT_TRUE(report.accepted) << report.log;
    return;
  }
  ASSERT_FALSE(report.accepted);
  EXPECT_NE(report.findings.at(0).message.find(c.message), std::string::npos)
      << report.findings[0].message << "\ninstead of\n"
      << c.message << "\n"
      << report.log;
  EXPECT_FALSE(report.findings[0].unsupported) << report.findings[0].message;
}

class KernelPointers : public ::testing::Test {
  void SetUp() override {
    if (Kernel() == nullptr) GTEST_SKIP() << "/sys/kernel/btf/vmlinux cannot be read";
  }
};

const std::string kEnd = "\nr0 = 0\nexit";
const std::string kTask = "r2 = *(u64 *)(r1 + 8)\n";

TEST_F(KernelPointers, FieldsAreReadAtConstantOffsets) {
  Expect({kTask + "r0 = *(u32 *)(r2 + @task_struct.pid@)" + kEnd, ""});
  Expect({kTask +
              "r3 = *(u64 *)(r2 + @task_struct.group_leader@)\n"
              "r0 = *(u32 *)(r3 + @task_struct.pid@)" +
              kEnd,
          ""});
  Expect({kTask + "r0 = *(u64 *)(r2 + 32760)" + kEnd,
          "access beyond struct task_struct at off 32760 size 8"});
  Expect({kTask + "r0 = *(u64 *)(r2 - 8)" + kEnd,
          "R2 is ptr_task_struct invalid negative access: off=-8"});
  Expect({kTask + "r3 = *(u32 *)(r2 + @task_struct.pid@)\nr3 &= 7\nr2 += r3\nr0 = *(u8 *)(r2 + 0)" +
              kEnd,
          "R2 is ptr_task_struct invalid variable offset: off=0, var_off=(0x0; 0x7)"});
  Expect({kTask + "r0 = *(u32 *)(r2 + @task_struct.group_leader@)" + kEnd,
          "cannot access ptr member group_leader with moff"});
  Expect({kTask +
              "r0 = *(u64 *)(r2 + @task_struct.comm@)\nr2 += @task_struct.comm@\n"
              "r0 = *(u64 *)(r2 + 12)" +
              kEnd,
          "access beyond the end of member comm (mend:"});
  Expect(
      {kTask + "r3 = 1\n*(u32 *)(r2 + @task_struct.pid@) = r3" + kEnd, "only read is supported"});
  Case licence{kTask + "r0 = *(u32 *)(r2 + @task_struct.pid@)" + kEnd,
               "Cannot access kernel 'struct task_struct' from non-GPL compatible program"};
  licence.license = "X";
  Expect(licence);
}

TEST_F(KernelPointers, TrustIsPassedOnForSafeFieldsAlone) {
  const std::string call = "call 175" + kEnd;  // task_pt_regs
  Expect({kTask + "r1 = r2\n" + call, ""});
  Expect({kTask + "r1 = *(u64 *)(r2 + @task_struct.group_leader@)\n" + call, ""});
  Expect({kTask + "r1 = *(u64 *)(r2 + @task_struct.parent@)\n" + call, ""});
  Case prog{"r1 = *(u64 *)(r1 + 8)\nif r1 == 0 goto out\ncall 175\nout:" + kEnd,
            "R1 is of type bpf_prog but task_struct is expected"};
  prog.attach = 28;
  prog.target = "bpf_iter_bpf_prog";
  prog.kind = Kind::kFunc;
  Expect(prog);
  prog.code = "r1 = *(u64 *)(r1 + 8)\ncall 175" + kEnd;
  prog.message = "R1 type=ptr_or_null_ expected=ptr_, trusted_ptr_, rcu_ptr_";
  Expect(prog);
  Expect({kTask + "r1 = r2\nr2 = 8\nr3 = 0\ncall 113" + kEnd,
          "bpf_probe_read_kernel() may write into memory pointed by R1 type=trusted_ptr_"});
}

TEST_F(KernelPointers, ContextsAreByPrototype) {
  Expect({"r0 = *(u64 *)(r1 + 64)" + kEnd, "invalid bpf_context access off=64 size=8"});
  Expect({"*(u64 *)(r1 + 0) = r1" + kEnd, "invalid bpf_context access off=0 size=8"});
  Case null{"r2 = *(u64 *)(r1 + 8)\nr0 = *(u32 *)(r2 + @task_struct.pid@)" + kEnd,
            "R2 invalid mem access 'trusted_ptr_or_null_'"};
  null.target = "btf_trace_sched_pi_setprio";
  Expect(null);
  Case wrong{"r0 = 0\nexit", "is not a typedef"};
  wrong.target = "task_struct";
  wrong.kind = Kind::kStruct;
  Expect(wrong);
  wrong.target = "u32";
  wrong.kind = Kind::kTypedef;
  wrong.message = "points to wrong type name u32";
  Expect(wrong);
  wrong.attach = 28;
  wrong.message = "is not a function";
  Expect(wrong);
}

TEST_F(KernelPointers, BuffersOfIteratorsAreReadAndWrittenInside) {
  Case value{"r2 = *(u64 *)(r1 + 24)\nif r2 == 0 goto out\nr0 = *(u32 *)(r2 - 4)\nout:" + kEnd,
             "R2 invalid rdwr buffer access: off=-4, size=4"};
  value.attach = 28;
  value.target = "bpf_iter_bpf_map_elem";
  value.kind = Kind::kFunc;
  Expect(value);
  value.code =
      "r2 = *(u64 *)(r1 + 24)\nif r2 == 0 goto out\nr3 = *(u32 *)(r2 + 0)\nr3 &= 7\nr2 += r3\n"
      "r0 = *(u32 *)(r2 + 0)\nout:" +
      kEnd;
  value.message = "R2 invalid variable buffer offset: off=0, var_off=(0x0; 0x7)";
  Expect(value);
  value.code = "r2 = *(u64 *)(r1 + 16)\nif r2 == 0 goto out\n*(u32 *)(r2 + 0) = 1\nout:" + kEnd;
  value.message = "R2 cannot write into rdonly_buf";
  Expect(value);
  value.code = "r2 = *(u64 *)(r1 + 24)\nif r2 == 0 goto out\n*(u32 *)(r2 + 4) = 1\nout:" + kEnd;
  value.message = "";
  Expect(value);
}

TEST_F(KernelPointers, SecurityHooks) {
  Case hook{"r0 = 0\nexit", ""};
  hook.type = ProgramTypeId::kLsm;
  hook.attach = 27;
  hook.kind = Kind::kFunc;
  hook.target = "bpf_lsm_file_open";
  Expect(hook);
  hook.license = "X";
  hook.message = "LSM programs must have a GPL compatible license";
  Expect(hook);
  hook.license = "GPL";
  hook.target = "bpf_lsm_getprocattr";
  hook.message = "points to disabled hook bpf_lsm_getprocattr";
  Expect(hook);
  hook.target = "bpf_lsm_task_free";
  hook.sleepable = true;
  hook.message = "bpf_lsm_task_free is not sleepable";
  Expect(hook);
}

TEST_F(KernelPointers, FunctionsThatMayNotBeTraced) {
  Case c{"r0 = 0\nexit", ""};
  c.kind = Kind::kFunc;
  c.attach = 25;  // fexit
  c.target = "vfs_read";
  Expect(c);
  c.target = "do_exit";
  c.message = "Attaching fexit/fmod_ret to __noreturn functions is rejected.";
  Expect(c);
  c.attach = 24;
  c.message = "";
  Expect(c);
  if (Kernel()->Find("migrate_disable", Kind::kFunc) != 0) {
    c.target = "migrate_disable";
    c.message = "Attaching tracing programs to function 'migrate_disable' is rejected.";
    Expect(c);
  }
  // Lists of the running kernel decide: never accepted.
  c.target = "__x64_sys_nanosleep";
  for (const uint32_t attach : {24u, 26u}) {
    c.attach = attach;
    c.sleepable = attach == 24;
    const VerifierReport report = Judge(c);
    ASSERT_FALSE(report.accepted);
    EXPECT_TRUE(report.findings[0].unsupported) << report.findings[0].message;
  }
}

TEST_F(KernelPointers, SymbolsOfTheKernel) {
  Case c{"r1 = 0 ll\nr0 = *(u32 *)(r1 + 0)" + kEnd, "R1 is ptr_rq access percpu memory: off=0"};
  const uint32_t runqueues = Kernel()->Find("runqueues", Kind::kVar);
  if (runqueues == 0) GTEST_SKIP() << "this kernel's BTF has no variable runqueues";
  Expect(c, runqueues);
  c.message = "pseudo btf_id";
  Expect(c, Kernel()->Find("task_struct", Kind::kStruct));
  c.message = "ldimm64 insn specifies invalid btf_id";
  Expect(c, Kernel()->type_count());
  c.code = "r1 = 0 ll\ncall 154\nr0 = *(u32 *)(r0 + @rq.nr_running@)" + kEnd;
  c.message = "";
  Expect(c, runqueues);
}

TEST_F(KernelPointers, SocketsHaveTheirOwnFields) {
  Case tc{"r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\nr0 = *(u32 *)(r1 + 4)\nout:" + kEnd, ""};
  tc.type = ProgramTypeId::kSchedCls;
  tc.attach = 0;
  tc.target = "";
  Expect(tc);
  tc.code = "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\nr0 = *(u32 *)(r1 + 8)\nout:" + kEnd;
  tc.message = "R1 invalid sock_common access off=8 size=4";
  Expect(tc);
  tc.code = "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\nr1 += 8\nout:" + kEnd;
  tc.message = "R1 pointer arithmetic on sock_common prohibited";
  Expect(tc);
  tc.code = "r1 = *(u64 *)(r1 + 168)\nr0 = *(u32 *)(r1 + 4)" + kEnd;
  tc.message = "R1 invalid mem access 'sock_common_or_null'";
  Expect(tc);
  tc.type = ProgramTypeId::kFlowDissector;
  tc.code = "r1 = *(u64 *)(r1 + 144)\nr0 = *(u32 *)(r1 + 56)" + kEnd;
  tc.message = "invalid access to flow keys off=56 size=4";
  Expect(tc);
}

TEST_F(KernelPointers, MapsAreReadThroughTheirPointers) {
  Case c{"r1 = map[0] ll\nr0 = *(u32 *)(r1 + @bpf_map.max_entries@)" + kEnd, ""};
  c.type = ProgramTypeId::kSchedCls;
  c.attach = 0;
  c.target = "";
  c.maps = "a array key=4 value=4 entries=1";
  Expect(c);
  c.rights = Rights::kBpf;
  c.message = "'struct bpf_array' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN";
  Expect(c);
}

TEST_F(KernelPointers, MembersOfStructOps) {
  const uint32_t dummy = Kernel()->Find("bpf_dummy_ops", Kind::kStruct);
  if (dummy == 0) GTEST_SKIP() << "this kernel has no bpf_dummy_ops";
  Case c{"r2 = *(u64 *)(r1 + 0)\nif r2 == 0 goto out\n*(u32 *)(r2 + 0) = 1\nout:" + kEnd, ""};
  c.type = ProgramTypeId::kStructOps;
  c.target = "bpf_dummy_ops";
  c.kind = Kind::kStruct;
  c.attach = MemberIndex(dummy, "test_1");
  Expect(c);
  c.code = "r2 = *(u64 *)(r1 + 0)\nif r2 == 0 goto out\n*(u32 *)(r2 + 4) = 1\nout:" + kEnd;
  c.message = "write access at off 4 with size 4";
  Expect(c);
  c.code = "r0 = 0\nexit";
  c.license = "X";
  c.message = "struct ops programs must have a GPL compatible license";
  Expect(c);
  c.license = "GPL";
  c.sleepable = true;
  c.message = "attach to unsupported member test_1 of struct bpf_dummy_ops";
  Expect(c);
  c.sleepable = false;
  c.attach = 1000;
  c.message = "attach to invalid member idx 1000 of struct bpf_dummy_ops";
  Expect(c);
  c.target = "task_struct";
  c.message = "is not a supported struct";
  Expect(c);
  const uint32_t tcp = Kernel()->Find("tcp_congestion_ops", Kind::kStruct);
  if (tcp == 0) return;
  c.target = "tcp_congestion_ops";
  c.attach = MemberIndex(tcp, "get_info");
  c.message = "attach to unsupported member get_info of struct tcp_congestion_ops";
  Expect(c);
  c.attach = MemberIndex(tcp, "key");
  c.message = "attach to invalid member key(@idx";
  Expect(c);
  c.attach = MemberIndex(tcp, "set_state");
  c.code = "r2 = *(u64 *)(r1 + 0)\n*(u32 *)(r2 + @tcp_sock.snd_cwnd@) = 1" + kEnd;
  c.message = "";
  Expect(c);
  c.code = "r2 = *(u64 *)(r1 + 0)\n*(u64 *)(r2 + @tcp_sock.snd_cwnd@) = 1" + kEnd;
  c.message = "beyond the member of tcp_sock ended at";
  Expect(c);
  c.code = "r2 = *(u64 *)(r1 + 0)\n*(u32 *)(r2 + @tcp_sock.copied_seq@) = 1" + kEnd;
  c.message = "no write support to tcp_sock at off";
  Expect(c);
}

TEST_F(KernelPointers, StructuresAreWalkedToTheirFields) {
  const uint32_t task = Kernel()->Find("task_struct", Kind::kStruct);
  const auto walk = [&](std::string_view field, uint32_t size) {
    return WalkStruct(*Kernel(), task, OffsetOf(task, field).value_or(0), size, true);
  };
  EXPECT_EQ(walk("pid", 4).field, BtfField::kScalar);
  EXPECT_EQ(walk("group_leader", 8).btf_id, task);
  EXPECT_EQ(walk("group_leader", 4).refused, FindingCode::kBtfPartOfPointer);
  EXPECT_EQ(walk("stack", 8).field, BtfField::kMemory);
  const uint32_t sock = Kernel()->Find("sock", Kind::kStruct);
  const uint32_t common = Kernel()->Find("sock_common", Kind::kStruct);
  const uint32_t tcp = Kernel()->Find("tcp_sock", Kind::kStruct);
  EXPECT_TRUE(StructMatches(*Kernel(), tcp, 0, common, false, true));
  EXPECT_TRUE(StructMatches(*Kernel(), sock, 0, common, false, true));
  EXPECT_FALSE(StructMatches(*Kernel(), sock, 0, common, true, true));
  EXPECT_FALSE(StructMatches(*Kernel(), common, 0, sock, false, true));
  EXPECT_FALSE(StructMatches(*Kernel(), tcp, 8, common, false, true));
}

}  // namespace
}  // namespace skep::verifier
