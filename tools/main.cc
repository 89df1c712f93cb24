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
  AddDisasm(app, status);
  AddInspect(app, status);
  AddJit(app, status);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Write(app.help(), kDone);
  } catch (const CLI::CallForAllHelp&) {
    return Write(app.help("", CLI::AppFormatMode::All), kDone);
  } catch (const CLI::CallForVersion&) {
    return Write(std::string(SKEP_VERSION) + "\n", kDone);
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    for (char& c : message) {
      if (c == '\n') c = ' ';
    }
    PrintError(message + "; see skep --help");
    return kBadInput;
  } catch (const std::exception& error) {
    PrintError(error.what());
    return kBadInput;
  }
  return status;
}
