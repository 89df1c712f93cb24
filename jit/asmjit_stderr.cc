// SPDX-License-Identifier: Apache-2.0
//
// The stream that asmjit writes its own failures to. Debian's archive refers to
// stderr in a way that a shared library cannot resolve; the build renames that
// reference to this symbol (cmake/SkepDependencies.cmake).

#include <cstdio>

extern "C" {
[[gnu::visibility("hidden")]] extern FILE* skep_asmjit_stderr;
FILE* skep_asmjit_stderr = stderr;
}
