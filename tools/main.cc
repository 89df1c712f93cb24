// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "tools/command.h"
#include "tools/output.h"

#ifndef SKEP_VERSION
#define SKEP_VERSION "unknown"
#endif

namespace skep::tools {
namespace {

bool IsSubcommand(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&](const CLI::App* c) { return c->get_name() == name; }).empty();
}

// "run, verify or test"
std::string Subcommands(const CLI::App& app) {
  const auto all = app.get_subcommands([](const CLI::App*) { return true; });
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) out += i + 1 == all.size() ? " or " : ", ";
    out += all[i]->get_name();
  }
  return out;
}

int NoSubcommand(const CLI::App& app, const std::string& found) {
  PrintError("found " + (found.empty() ? "no subcommand" : "'" + found + "'") + ", expected " +
             Subcommands(app) + "; see skep --help");
  return kBadInput;
}

// One line that says what was wrong and where help is.
int BadUsage(const CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  const auto parsed = app.get_subcommands();
  if (parsed.empty()) return NoSubcommand(app, first);
  const std::string command = parsed.front()->get_name();
  PrintError(command + ": " + error.what() + "; see skep " + command + " --help");
  return kBadInput;
}

}  // namespace
}  // namespace skep::tools

int main(int argc, char** argv) {
  using namespace skep::tools;
  // A reader that goes away is a write error like any other, said in one line.
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app{"skep: Linux's eBPF without a kernel: verify, run, inspect and compile programs."};
  app.name("skep");
  app.set_version_flag("--version", SKEP_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 done, accepted or passed; 1 rejected, trapped or failed; 2 bad usage or\n"
      "unreadable input.\n\n"
      "Examples:\n"
      "  skep verify filter.bpf.o\n"
      "  skep run filter.bpf.o -p filter --pcap traffic.pcap --show-maps\n"
      "  skep test tests/data/isa\n");
  int status = kDone;
  AddRun(app, status);
  AddVerify(app, status);
  AddTest(app, status);
  AddAsm(app, status);
  AddLink(app, status);
  AddGen(app, status);
  AddDisasm(app, status);
  AddInspect(app, status);
  AddJit(app, status);
  AddAudit(app, status);
  AddCompare(app, status);
  AddMap(app, status);
  AddBench(app, status);

  const std::string first = argc > 1 ? argv[1] : "";
  if (first.empty() || (first[0] != '-' && !IsSubcommand(app, first))) {
    return NoSubcommand(app, first);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Write(app.help(), kDone);
  } catch (const CLI::CallForAllHelp&) {
    return Write(app.help("", CLI::AppFormatMode::All), kDone);
  } catch (const CLI::CallForVersion&) {
    return Write(std::string(SKEP_VERSION) + "\n", kDone);
  } catch (const CLI::ParseError& error) {
    return BadUsage(app, error, first);
  } catch (const std::exception& error) {
    PrintError(error.what());
    return kBadInput;
  }
  return status;
}
