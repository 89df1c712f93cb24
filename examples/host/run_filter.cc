// SPDX-License-Identifier: Apache-2.0
//
// The shortest host: loads a packet filter and asks it about one packet. Its
// lines are those of README.md; a host in earnest looks at each result
// before it uses it, as the other programs of this folder do.
//
//   run_filter OBJECT PROGRAM

#include <array>
#include <cstddef>
#include <cstdio>

#include <skep/skep.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s OBJECT PROGRAM\n", argv[0]);
    return 2;
  }
  const char* name = argv[2];
  std::array<std::byte, 64> packet{};
  const auto object = skep::Object::Open(argv[1]);
  if (!object) {
    std::fprintf(stderr, "%s\n", object.error().message.c_str());
    return 2;
  }
  // README: begin
  auto runtime = skep::Runtime::Create({});
  auto instance = (*runtime)->Instantiate(*object);  // the object's maps
  auto filter = (*instance)->Load(name, {});         // verified, then compiled
  if (!filter || !filter->executable) return 1;      // no such program, or refused
  auto context = (*runtime)->NewContext();           // one per thread
  auto verdict = filter->executable->RunPacket(**context, {.data = packet});
  // README: end
  std::printf("verdict %llu\n", static_cast<unsigned long long>(verdict.value));
  return verdict.ok() ? 0 : 1;
}
