// SPDX-License-Identifier: Apache-2.0
// skep link: several objects as one.
#include <memory>
#include <string>
#include <vector>

#include "skep/link.h"

#include "tools/command.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/write_file.h"

namespace skep::tools {
namespace {

struct LinkOptions {
  std::vector<std::string> objects;
  std::string output;
};

int LinkCommand(const LinkOptions& options) {
  std::vector<std::vector<std::byte>> files;
  for (const std::string& path : options.objects) {
    auto bytes = ReadFile(path, size_t{1} << 30);
    if (!bytes) return Fail(bytes.error());
    files.push_back(*std::move(bytes));
  }
  std::vector<LinkInput> inputs;
  for (size_t i = 0; i < files.size(); ++i) inputs.push_back({options.objects[i], files[i]});
  const auto linked = LinkObjects(inputs);
  if (!linked) return Fail(linked.error());
  if (auto written = WriteFile(options.output, *linked); !written) return Fail(written.error());
  return kDone;
}

}  // namespace

void AddLink(CLI::App& app, int& status) {
  auto options = std::make_shared<LinkOptions>();
  CLI::App* link = app.add_subcommand("link", "Link several objects into one");
  link->add_option("object", options->objects, "ELF objects, in this order")->required();
  link->add_option("-o,--output", options->output, "Object to write")->required();
  link->footer(
      "Examples:\n"
      "  skep link filter.bpf.o maps.bpf.o -o all.bpf.o\n");
  link->callback([options, &status] { status = LinkCommand(*options); });
}

}  // namespace skep::tools
