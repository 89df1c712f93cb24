// SPDX-License-Identifier: Apache-2.0
// opener PLUGIN: loads a plugin that uses libskep.so and calls into it.

#include <cstdio>

#include <dlfcn.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  auto use = reinterpret_cast<int (*)()>(dlsym(plugin, "UseSkep"));
  if (use == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const int status = use();
  return dlclose(plugin) == 0 ? status : 1;
}
