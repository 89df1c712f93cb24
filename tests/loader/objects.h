// SPDX-License-Identifier: Apache-2.0
// The object files that the loader's tests read: those compiled from
// tests/data/loader by each clang that is there, a folder of others named by the
// environment variable SKEP_OBJECTS_DIR, and Linux's own test objects, whose
// folder SKEP_SELFTEST_OBJECTS names.

#ifndef SKEP_TESTS_LOADER_OBJECTS_H_
#define SKEP_TESTS_LOADER_OBJECTS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace skep::loader {

// Paths of FOLDER/**/*.o, sorted; empty if there is no such folder.
std::vector<std::string> ObjectsUnder(const std::string& folder);
// Paths of build/tests/data/loader/<compiler>/*.o, sorted; empty without clang.
std::vector<std::string> BuiltObjects();
// Paths of $SKEP_OBJECTS_DIR/*.o, sorted.
std::vector<std::string> OtherObjects();
// Paths of $SKEP_SELFTEST_OBJECTS/*.o, sorted.
std::vector<std::string> SelftestObjects();
// Those three together.
std::vector<std::string> AllObjects();
std::vector<std::byte> ReadBytes(const std::string& path);
// "maps" for ".../clang/maps.v3.bpf.o".
std::string SourceName(const std::string& path);

}  // namespace skep::loader

#endif  // SKEP_TESTS_LOADER_OBJECTS_H_
