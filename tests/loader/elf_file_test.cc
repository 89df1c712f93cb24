// SPDX-License-Identifier: Apache-2.0
// What ElfFile says about a good object that one number makes bad.
#include "loader/elf_file.h"

#include <cstddef>
#include <cstring>

#include <elf.h>
#include <gtest/gtest.h>

#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

class ElfHeader : public testing::Test {
 protected:
  void SetUp() override {
    bytes_ = ReadBytes(SKEP_SOURCE_DIR "/fuzz/seeds/elf/minimal.o");
    ASSERT_FALSE(bytes_.empty());
  }
  template <class T>
  void Put(size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  std::string Message() const {
    const auto file = ElfFile::Parse(bytes_);
    return file ? "" : file.error().message;
  }
  uint64_t SectionHeaders() const {
    Elf64_Ehdr header;
    std::memcpy(&header, bytes_.data(), sizeof(header));
    return header.e_shoff;
  }
  // The file offset of the header of the first section with this type.
  uint64_t HeaderOf(uint32_t type) const {
    Elf64_Ehdr header;
    std::memcpy(&header, bytes_.data(), sizeof(header));
    for (uint64_t i = 0; i < header.e_shnum; ++i) {
      Elf64_Shdr section;
      const uint64_t at = header.e_shoff + i * sizeof(section);
      std::memcpy(&section, bytes_.data() + at, sizeof(section));
      if (section.sh_type == type) return at;
    }
    return 0;
  }
  std::vector<std::byte> bytes_;
};

TEST_F(ElfHeader, IsReadWithSectionsAndSymbols) {
  const auto file = ElfFile::Parse(bytes_);
  ASSERT_TRUE(file) << file.error().message;
  const Section* section = file->FindSection("socket");
  ASSERT_NE(section, nullptr);
  EXPECT_TRUE(section->IsCode());
  EXPECT_EQ(section->data.size() % 8, 0u);
  EXPECT_EQ(file->FindSection("nothing"), nullptr);
}

TEST_F(ElfHeader, NamesBigEndianObjects) {
  Put<uint8_t>(EI_DATA, ELFDATA2MSB);
  EXPECT_EQ(Message(), "big-endian object, need a little-endian one (clang -target bpfel)");
}

TEST_F(ElfHeader, NamesOtherMachinesClassesAndTypes) {
  Put<uint16_t>(offsetof(Elf64_Ehdr, e_machine), EM_X86_64);
  EXPECT_EQ(Message(), "ELF machine is 62, need 247 (BPF)");
  SetUp();
  Put<uint8_t>(EI_CLASS, ELFCLASS32);
  EXPECT_EQ(Message(), "not a 64-bit ELF file");
  SetUp();
  Put<uint16_t>(offsetof(Elf64_Ehdr, e_type), ET_EXEC);
  EXPECT_EQ(Message(), "ELF type is 2, need 1 (relocatable)");
}

TEST_F(ElfHeader, RefusesSectionHeadersOutsideTheFile) {
  Put<uint64_t>(offsetof(Elf64_Ehdr, e_shoff), bytes_.size() - 8);
  EXPECT_EQ(Message(), "section headers lie outside the file");
  SetUp();
  Put<uint64_t>(offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX - 8);
  EXPECT_EQ(Message(), "section headers lie outside the file");
  SetUp();
  Put<uint16_t>(offsetof(Elf64_Ehdr, e_shnum), 0xfeff);
  EXPECT_NE(Message().find("65279 section headers do not fit the file"), std::string::npos);
}

TEST_F(ElfHeader, RefusesAHugeCountInTheFirstSectionHeader) {
  Put<uint16_t>(offsetof(Elf64_Ehdr, e_shnum), 0);
  Put<uint64_t>(SectionHeaders() + offsetof(Elf64_Shdr, sh_size), UINT64_MAX / 64);
  EXPECT_NE(Message().find("section headers do not fit the file"), std::string::npos);
}

TEST_F(ElfHeader, RefusesASectionNameTableThatIsNotThere) {
  Put<uint16_t>(offsetof(Elf64_Ehdr, e_shstrndx), 200);
  EXPECT_NE(Message().find("section name table is section 200 of"), std::string::npos);
}

TEST_F(ElfHeader, RefusesSectionsOutsideTheFile) {
  Put<uint64_t>(HeaderOf(SHT_PROGBITS) + offsetof(Elf64_Shdr, sh_size), UINT64_MAX);
  EXPECT_NE(Message().find("lie outside the file"), std::string::npos) << Message();
}

TEST_F(ElfHeader, RefusesSymbolsOfMissingSections) {
  const uint64_t at = HeaderOf(SHT_SYMTAB);
  ASSERT_NE(at, 0u);
  Elf64_Shdr table;
  std::memcpy(&table, bytes_.data() + at, sizeof(table));
  Put<uint16_t>(table.sh_offset + sizeof(Elf64_Sym) + offsetof(Elf64_Sym, st_shndx), 77);
  EXPECT_NE(Message().find("is in section 77 of"), std::string::npos) << Message();
  SetUp();
  Put<uint64_t>(at + offsetof(Elf64_Shdr, sh_size), table.sh_size - 1);
  EXPECT_NE(Message().find("need a multiple of 24"), std::string::npos) << Message();
}

}  // namespace
}  // namespace skep::loader
