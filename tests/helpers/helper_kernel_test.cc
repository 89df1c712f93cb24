// SPDX-License-Identifier: Apache-2.0
// Helpers beside the running kernel's: a small program calls the helper over
// the bytes of a map; ours is called directly over the same bytes.
#include "tests/helpers/helper_kernel.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "helpers/functions.h"
#include "helpers/helper_table.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

using test::Fd;
using test::HelperBesideKernel;
using test::Memory;

// ---- numbers ------------------------------------------------------------------

TEST_F(HelperBesideKernel, StrtolAndStrtoulReadNumbersAlike) {
  const std::string_view texts[] = {
      "0",
      "1",
      "-1",
      "42 rest",
      "  17",
      "\t\n 9x",
      "+5",
      "-",
      " ",
      "",
      "0x",
      "0x1f",
      "-0x1f",
      "0X1F",
      "010",
      "08",
      "007",
      "ff",
      "FFg",
      "--1",
      "- 1",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775808",
      "-9223372036854775809",
      "18446744073709551615",
      "18446744073709551616",
      "-18446744073709551615",
      "99999999999999999999999999",
      "-0",
      "\xa0"
      "3",
      "0000000000000000000000000000000000000000000000000000000000000000000000007",
      "1_000",
      "abc",
      "777777777777777777777777",
      "01777777777777777777777",
      "02000000000000000000000",
      "x"};
  for (const std::string_view text : texts) {
    Memory memory(128, false, text);
    const auto sizes = {text.size() == 0 ? size_t{1} : text.size(), size_t{80}, size_t{1}};
    for (const size_t size : sizes) {
      for (const uint64_t flags : {0u, 8u, 10u, 16u, 2u, 32u}) {
        for (const int32_t id : {105, 106}) {
          Memory result(16);
          const uint64_t theirs =
              Run(test::Join({test::LoadMapValue(1, memory.map(), 0),
                              test::Mov(2, static_cast<int32_t>(size)), test::LoadWide(3, flags),
                              test::LoadMapValue(4, result.map(), 8)}),
                  id, result);
          uint64_t number = 0;
          const auto helper = id == 105 ? &helpers::Strtol : &helpers::Strtoul;
          const uint64_t ours = helper(memory.address(), size, flags,
                                       reinterpret_cast<uint64_t>(&number), 0, *context_);
          const std::string where = "'" + std::string(text) + "' size " + std::to_string(size) +
                                    " flags " + std::to_string(flags) + " helper " +
                                    std::to_string(id);
          ASSERT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs)) << where;
          uint64_t their_number = 0;
          std::memcpy(&their_number, result.Theirs().data() + 8, sizeof their_number);
          ASSERT_EQ(number, their_number) << where;
        }
      }
    }
  }
}

TEST_F(HelperBesideKernel, StrncmpComparesAlike) {
  const std::string_view texts[] = {"", "a", "abc", "abd", "ab", "abcdef", "\xff", "abc\xff"};
  for (const std::string_view a : texts) {
    for (const std::string_view b : texts) {
      Memory left(16, false, a), right(16, true, b), result(8);
      for (const int32_t size : {1, 3, 16}) {
        const uint64_t theirs =
            Run(test::Join({test::LoadMapValue(1, left.map(), 0), test::Mov(2, size),
                            test::LoadMapValue(3, right.map(), 0)}),
                182, result);
        EXPECT_EQ(helpers::Strncmp(left.address(), static_cast<uint64_t>(size), right.address(), 0,
                                   0, *context_),
                  theirs)
            << a << " " << b << " " << size;
      }
    }
  }
}

TEST_F(HelperBesideKernel, CsumDiffSumsAlike) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    Memory from(512), to(512), result(8);
    const bool zeros = i % 10 == 0;
    for (uint32_t k = 0; k < 512; ++k) {
      from.data()[k] = static_cast<std::byte>(zeros ? 0 : random());
      to.data()[k] = static_cast<std::byte>(zeros ? 0 : i % 7 == 0 ? 0xff : random());
    }
    from.Push();
    to.Push();
    const auto from_size = static_cast<int32_t>(i % 3 == 0 ? 0 : random() % 130 * 4);
    const auto to_size = static_cast<int32_t>(i % 4 == 0 ? 0 : random() % 130 * 4);
    if (from_size > 512 || to_size > 512) continue;
    const auto seed = static_cast<uint32_t>(i % 5 == 0 ? 0 : random());
    const uint64_t theirs =
        Run(test::Join({test::LoadMapValue(1, from.map(), 0), test::Mov(2, from_size),
                        test::LoadMapValue(3, to.map(), 0), test::Mov(4, to_size),
                        test::LoadWide(5, seed)}),
            28, result);
    EXPECT_EQ(helpers::CsumDiff(from.address(), static_cast<uint64_t>(from_size), to.address(),
                                static_cast<uint64_t>(to_size), seed, *context_),
              theirs)
        << from_size << " " << to_size << " " << seed;
  }
}

// ---- formats ------------------------------------------------------------------

// What snprintf makes of `format` with these arguments; the verifier refuses
// bad formats, so this is for good ones.
TEST_F(HelperBesideKernel, SnprintfFormatsAlike) {
  Memory text(64, false, "some text");
  Memory address(16, false, std::string_view("\x7f\x00\x00\x01\xfe\x80zyxwvutsrq", 16));
  const std::string_view formats[] = {
      "plain",     "%d",        "%i|%u",       "%x %X",      "%ld %lu",     "%lld %llu %llx",
      "%5d|%-5d|", "%05d|%+d|", "% d|%+5d|",   "%-05d|",     "%0+8d|% 08d", "%lx%lX",
      "%c%c",      "%5c|%-5c|", "100%%",       "%%%d%%",     "%20llx|",     "%-20llx|",
      "%020lld|",  "%60d|",     "%-60d|",      "%060d|",     "%px",         "%20px|%-20px|",
      "%020px|",   "%3px|",     "\xc3\xa9 %d", "a\tb\nc %u", "%3c|",        "%+u % u",
      "%+x|% X",   "%0c|%+c"};
  const uint64_t values[] = {0,
                             1,
                             7,
                             65,
                             0x7fffffff,
                             0x80000000,
                             0xffffffff,
                             ~uint64_t{0},
                             uint64_t{1} << 63,
                             0x123456789abcdef0};
  std::mt19937 random(11);
  for (const std::string_view format : formats) {
    Memory fmt(64, true, format);
    for (int i = 0; i < 12; ++i) {
      Memory arguments(96);
      for (uint32_t k = 0; k < 12; ++k) {
        std::memcpy(arguments.data() + k * 8, &values[random() % std::size(values)], 8);
      }
      arguments.Push();
      for (const uint32_t room : {200u, 8u, 1u}) {
        Memory out(256), result(8);
        std::memset(out.data(), 'z', 256);
        out.Push();
        const uint64_t theirs =
            Run(test::Join({test::LoadMapValue(1, out.map(), 0),
                            test::Mov(2, static_cast<int32_t>(room)),
                            test::LoadMapValue(3, fmt.map(), 0),
                            test::LoadMapValue(4, arguments.map(), 0), test::Mov(5, 96)}),
                165, result);
        const uint64_t ours = helpers::Snprintf(out.address(), room, fmt.address(),
                                                arguments.address(), 96, *context_);
        ASSERT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs)) << format;
        const std::string our_text(reinterpret_cast<const char*>(out.data()));
        const auto bytes = out.Theirs();
        ASSERT_EQ(our_text, std::string(reinterpret_cast<const char*>(bytes.data()))) << format;
      }
    }
  }
}

// One conversion that Linux takes, of the kinds whose text does not depend on
// where the kernel lies.
std::string RandomConversion(std::mt19937& random) {
  const std::string_view flags[] = {"", "", "", "0", "-", "+", " ", "-0", "+0", "0 ", "-+"};
  const std::string_view widths[] = {"", "", "1", "3", "9", "17", "33", "70"};
  const std::string_view kinds[] = {"d",   "i",  "u",  "x",   "X",   "ld",  "li",
                                    "lu",  "lx", "lX", "lld", "lli", "llu", "llx",
                                    "llX", "c",  "px", "ps",  "pS",  "pB",  "llx"};
  std::string out = "%";
  out += flags[random() % std::size(flags)];
  out += widths[random() % std::size(widths)];
  return out += kinds[random() % std::size(kinds)];
}

TEST_F(HelperBesideKernel, SnprintfFormatsGeneratedFormatsAlike) {
  std::mt19937_64 numbers(3);
  std::mt19937 random(4);
  const std::string_view between[] = {"", "|", " ", "a", "%%", ", ", "\n", "9"};
  for (int i = 0; i < 400; ++i) {
    std::string format;
    const uint32_t count = static_cast<uint32_t>(random() % 12 + 1);
    for (uint32_t k = 0; k < count && format.size() < 100; ++k) {
      const std::string conversion = RandomConversion(random);
      format += conversion;
      format += between[random() % std::size(between)];
      // Where %pB is cut off, what follows takes bytes out of Linux's buffer that
      // nobody wrote.
      if (conversion.back() == 'B') break;
    }
    Memory fmt(128, true, format), arguments(96);
    for (uint32_t k = 0; k < 12; ++k) {
      // No address of the kernel's, which has names for its own.
      const uint64_t value = numbers() >> (random() % 64) & 0x7fffffffffffffff;
      const uint64_t small = random() % 3 == 0 ? random() % 300 : value;
      std::memcpy(arguments.data() + k * 8, &small, 8);
    }
    arguments.Push();
    for (const uint32_t room : {1000u, 20u, 0u}) {
      Memory out(1024), result(8);
      std::memset(out.data(), 'z', 1024);
      out.Push();
      const uint64_t theirs = Run(
          test::Join({test::LoadMapValue(1, out.map(), 0), test::Mov(2, static_cast<int32_t>(room)),
                      test::LoadMapValue(3, fmt.map(), 0),
                      test::LoadMapValue(4, arguments.map(), 0), test::Mov(5, 96)}),
          165, result);
      const uint64_t ours =
          helpers::Snprintf(out.address(), room, fmt.address(), arguments.address(), 96, *context_);
      const auto bytes = out.Theirs();
      ASSERT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs))
          << format << "\nours:   " << std::string_view(reinterpret_cast<char*>(out.data()), 300)
          << "\ntheirs: " << std::string_view(reinterpret_cast<const char*>(bytes.data()), 300);
      ASSERT_EQ(std::string(reinterpret_cast<const char*>(out.data()), 1024),
                std::string(reinterpret_cast<const char*>(bytes.data()), 1024))
          << format << " room " << room;
    }
  }
}

// Formats with addresses: the kernel gets the addresses of its bytes, we of
// ours, and the text is the same.
TEST_F(HelperBesideKernel, SnprintfReadsMemoryAlike) {
  Memory memory(64, false, std::string_view("\x7f\x00\x00\x01\xfe\x80zyx\0\x01vutsrq", 18));
  Memory word(64, false, "a word, and more");
  const std::string_view formats[] = {
      "%pi4 %pI4",   "%pi6 %pI6", "%20pI4|%-20pI4|", "%45pI6|%-45pi6|", "%20pks|", "%s.",
      "%20s|%-20s|", "%pks!",     "%s %s",           "%pi4%pi6 %pI4",   "%pks%s",  "%pI6b%pi6"};
  for (const std::string_view format : formats) {
    for (const uint32_t room : {200u, 41u, 40u, 8u, 1u, 0u}) {
      const bool is_text = format.find('s') != format.npos;
      Memory fmt(64, true, format);
      Memory out(256), result(8), arguments(24);
      const Memory& source = is_text ? word : memory;
      // The program stores the address into the argument array itself.
      const uint64_t theirs = Run(
          test::Join({test::LoadMapValue(6, source.map(), 0),
                      test::LoadMapValue(4, arguments.map(), 0), test::StoreReg(4, 0, 6),
                      test::StoreReg(4, 8, 6), test::StoreReg(4, 16, 6),
                      test::LoadMapValue(1, out.map(), 0), test::Mov(2, static_cast<int32_t>(room)),
                      test::LoadMapValue(3, fmt.map(), 0), test::Mov(5, 24)}),
          165, result);
      const uint64_t ours_arguments[3] = {source.address(), source.address(), source.address()};
      const uint64_t ours =
          helpers::Snprintf(out.address(), room, fmt.address(),
                            reinterpret_cast<uint64_t>(ours_arguments), 24, *context_);
      EXPECT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs)) << format << room;
      const auto bytes = out.Theirs();
      EXPECT_STREQ(reinterpret_cast<const char*>(out.data()),
                   reinterpret_cast<const char*>(bytes.data()))
          << format << " room " << room;
    }
  }
}

// trace_printk takes any bytes, so its errors show what the formatter refuses.
TEST_F(HelperBesideKernel, TracePrintkRefusesAndCountsAlike) {
  std::vector<std::string> formats = {
      "ok",   "%d %d %d", "%d %d %d %d", "%hd",    "%zd",  "%o",     "%.3s", "%*d",
      "%f",   "%n",       "%lld",        "%llld",  "%",    "%l",     "%5",   "%-",
      "%pq",  "%pi5",     "%pI",         "%p",     "%pK|", "%pX",    "%k",   "bell\a",
      "%sx",  "%s",       "%ps",         "%px%px", "%dz",  "%c%c%c", "%5%",  "tab\t",
      "\x7f", "\xc3\xa9", "%pks",        "%pus",   "%pkx"};
  std::mt19937 random(5);
  const std::string_view pieces[] = {"%", "d", "l", "x", "s", "p", "i",  "4",  "6", "I", "k", " ",
                                     "-", "0", "5", "+", "c", "u", "%d", "%%", "K", "B", ".", "a"};
  for (int i = 0; i < 300; ++i) {
    std::string format;
    for (size_t k = 0; k < 1 + random() % 7; ++k) format += pieces[random() % std::size(pieces)];
    formats.push_back(format);
  }
  Memory zeros(64);
  for (const std::string& format : formats) {
    // Symbol text depends on the kernel's symbols.
    for (const bool with_nul : {true, false}) {
      Memory fmt(64, false, format);
      Memory result(8);
      const auto size = static_cast<int32_t>(format.size() + (with_nul ? 1 : 0));
      const uint64_t theirs =
          Run(test::Join({test::LoadMapValue(1, fmt.map(), 0), test::Mov(2, size), test::Mov(3, 0),
                          test::Mov(4, 0), test::Mov(5, 0)}),
              6, result);
      const uint64_t ours =
          helpers::TracePrintk(fmt.address(), static_cast<uint64_t>(size), 0, 0, 0, *context_);
      EXPECT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs))
          << "'" << format << "' nul " << with_nul;
    }
  }
}

// ---- availability -------------------------------------------------------------

TEST_F(HelperBesideKernel, OffersEachProgramTypeTheSameHelpers) {
  const struct {
    ProgramTypeId type;
    uint32_t attach;
  } programs[] = {{ProgramTypeId::kSocketFilter, 0},
                  {ProgramTypeId::kKprobe, 0},
                  {ProgramTypeId::kKprobe, 42},
                  {ProgramTypeId::kSchedCls, 0},
                  {ProgramTypeId::kSchedAct, 0},
                  {ProgramTypeId::kTracepoint, 0},
                  {ProgramTypeId::kXdp, 0},
                  {ProgramTypeId::kPerfEvent, 0},
                  {ProgramTypeId::kCgroupSkb, 0},
                  {ProgramTypeId::kCgroupSock, 2},
                  {ProgramTypeId::kLwtIn, 0},
                  {ProgramTypeId::kLwtOut, 0},
                  {ProgramTypeId::kLwtXmit, 0},
                  {ProgramTypeId::kSockOps, 3},
                  {ProgramTypeId::kSkSkb, 0},
                  {ProgramTypeId::kCgroupDevice, 6},
                  {ProgramTypeId::kSkMsg, 7},
                  {ProgramTypeId::kRawTracepoint, 0},
                  {ProgramTypeId::kCgroupSockAddr, 8},
                  {ProgramTypeId::kCgroupSockAddr, 10},
                  {ProgramTypeId::kCgroupSockAddr, 19},
                  {ProgramTypeId::kLwtSeg6local, 0},
                  {ProgramTypeId::kSkReuseport, 39},
                  {ProgramTypeId::kFlowDissector, 17},
                  {ProgramTypeId::kCgroupSysctl, 18},
                  {ProgramTypeId::kRawTracepointWritable, 0},
                  {ProgramTypeId::kCgroupSockopt, 21},
                  {ProgramTypeId::kCgroupSockopt, 22},
                  {ProgramTypeId::kSkLookup, 36},
                  {ProgramTypeId::kNetfilter, 45}};
  // Depends on how the kernel was built, or is locked down.
  const auto depends = [](uint32_t id) { return id == 36 || id == 58; };
  for (const auto& p : programs) {
    const ProgramClass c = ProgramClassOf(p.type, p.attach);
    for (uint32_t id = 1; id <= 211; ++id) {
      if (depends(id)) continue;
      std::string log;
      const Fd fd = test::KernelProgramLoad(
          static_cast<uint32_t>(p.type),
          test::Join({test::CallHelper(static_cast<int32_t>(id)), test::Mov(0, 1), test::Exit()}),
          &log, {.attach_type = p.attach});
      ASSERT_NE(fd.get(), -EPERM);
      bool theirs = true;
      for (const char* refusal :
           {"cannot use helper", "unknown func", "not supported for program type"}) {
        theirs = theirs && log.find(refusal) == log.npos;
      }
      EXPECT_EQ(FindHelper(HelperTable(), id, c) != nullptr, theirs)
          << "type " << static_cast<uint32_t>(p.type) << " attach " << p.attach << " helper " << id
          << "\n"
          << log;
    }
  }
}

}  // namespace
}  // namespace skep
