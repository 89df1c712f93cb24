// SPDX-License-Identifier: Apache-2.0
// skep gen: a C++ header of an object, BTF of a C header.
#include <filesystem>
#include <memory>
#include <string>

#include "tools/command.h"
#include "tools/cpp_types.h"
#include "tools/header_types.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/skeleton.h"
#include "tools/write_file.h"

namespace skep::tools {
namespace {

struct SkeletonOptions {
  std::string object;
  std::string output;
  std::string name;
};

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// "dir/packet-filter.bpf.o" is packet_filter_bpf, as bpftool calls it.
std::string ClassName(const std::string& path) {
  std::string name = FileName(path);
  if (name.ends_with(".o")) name.resize(name.size() - 2);
  return CppName(name);
}

int GenSkeleton(const SkeletonOptions& options) {
  auto bytes = ReadFile(options.object);
  if (!bytes) return Fail(bytes.error());
  // What the sections hold does not depend on the kernel's types.
  const auto target = ReadTarget({});
  if (!target) return Fail(target.error());
  // Without the folder: the name of the object is in the header.
  const auto object = Object::Parse(*bytes, FileName(options.object), *target);
  if (!object) return Fail(object.error());
  const std::string name = options.name.empty() ? ClassName(options.object) : CppName(options.name);
  const std::string text = SkeletonText(*object, name, *bytes);
  if (options.output.empty()) return Write(text, kDone);
  const auto written = WriteFile(options.output, std::as_bytes(std::span(text)));
  return written ? kDone : Fail(written.error());
}

void AddSkeleton(CLI::App* gen, int& status) {
  auto options = std::make_shared<SkeletonOptions>();
  CLI::App* skeleton =
      gen->add_subcommand("skeleton", "A typed C++ header for an object, with the object in it");
  skeleton->add_option("object", options->object, "ELF object")->required();
  skeleton->add_option("-o,--output", options->output, "Header to write; else standard output");
  skeleton->add_option("--name", options->name, "Name of the class; else the file's without .o");
  skeleton->footer(
      "Examples:\n"
      "  skep gen skeleton filter.bpf.o -o filter.skel.h\n"
      "  skep gen skeleton filter.bpf.o --name Filter\n");
  skeleton->callback([options, &status] { status = GenSkeleton(*options); });
}

struct BtfOptions {
  HeaderOptions header;
  std::string output;
};

int GenBtf(const BtfOptions& options) {
  const auto bytes = TypesOfHeader(options.header);
  if (!bytes) return Fail(bytes.error());
  const auto written = WriteFile(options.output, *bytes);
  return written ? kDone : Fail(written.error());
}

void AddBtf(CLI::App* gen, int& status) {
  auto options = std::make_shared<BtfOptions>();
  CLI::App* btf = gen->add_subcommand("btf", "BTF of the types of a C header, by clang");
  btf->add_option("header", options->header.header, "C header")->required();
  btf->add_option("-o,--output", options->output, "BTF file to write")->required();
  btf->add_option("--clang", options->header.clang, "The clang to call; else the first in $PATH");
  btf->add_option("--clang-argument", options->header.arguments,
                  "Passed on to clang; may be repeated")
      ->allow_extra_args(false);
  btf->footer(
      "Examples:\n"
      "  skep gen btf server.h -o server.btf\n"
      "  skep gen btf server.h -o server.btf --clang clang-19 --clang-argument=-Iinclude\n"
      "  skep verify probe.bpf.o --btf server.btf\n");
  btf->callback([options, &status] { status = GenBtf(*options); });
}

}  // namespace

void AddGen(CLI::App& app, int& status) {
  CLI::App* gen = app.add_subcommand("gen", "Make a C++ header of an object, or BTF of a C header");
  gen->require_subcommand(1);
  AddSkeleton(gen, status);
  AddBtf(gen, status);
  gen->footer(
      "Examples:\n"
      "  skep gen skeleton filter.bpf.o -o filter.skel.h\n"
      "  skep gen btf server.h -o server.btf\n");
}

}  // namespace skep::tools
