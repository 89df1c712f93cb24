# SPDX-License-Identifier: Apache-2.0
#
# What the library takes from the system. Nothing is downloaded.

# Fails unless VAR was found; says which Debian package has it.
function(skep_require var what package)
  if(NOT ${var})
    message(FATAL_ERROR "${what} was not found; on Debian it is in the package ${package} "
      "(./dev setup installs all that is needed)")
  endif()
endfunction()

find_path(SKEP_FMT_INCLUDE fmt/format.h)
skep_require(SKEP_FMT_INCLUDE "fmt/format.h" libfmt-dev)
find_library(SKEP_LIBELF elf)
skep_require(SKEP_LIBELF "libelf" libelf-dev)

# asmjit: Debian's archive is not position-independent in one place, a direct
# reference to stderr, so a shared library does not link with it. A copy in the
# build tree refers to skep_asmjit_stderr instead, which jit/ defines with
# hidden visibility.
find_path(SKEP_ASMJIT_INCLUDE asmjit/asmjit.h)
find_library(SKEP_ASMJIT_ARCHIVE libasmjit.a)
skep_require(SKEP_ASMJIT_INCLUDE "asmjit/asmjit.h" libasmjit-dev)
skep_require(SKEP_ASMJIT_ARCHIVE "libasmjit.a" libasmjit-dev)
set(SKEP_ASMJIT_PATCHED ${PROJECT_BINARY_DIR}/asmjit/libskep_asmjit.a)
add_custom_command(
  OUTPUT ${SKEP_ASMJIT_PATCHED}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/asmjit
  COMMAND ${CMAKE_OBJCOPY} --redefine-sym stderr=skep_asmjit_stderr
          ${SKEP_ASMJIT_ARCHIVE} ${SKEP_ASMJIT_PATCHED}
  DEPENDS ${SKEP_ASMJIT_ARCHIVE}
  COMMENT "Making asmjit position-independent"
  VERBATIM)
add_custom_target(skep_asmjit_patched DEPENDS ${SKEP_ASMJIT_PATCHED})

# For those who compile against asmjit's headers: jit/ and its tests.
add_library(skep_asmjit INTERFACE)
target_compile_definitions(skep_asmjit INTERFACE ASMJIT_STATIC)
target_include_directories(skep_asmjit SYSTEM INTERFACE ${SKEP_ASMJIT_INCLUDE})

# libbpf is optional: its headers serve BPF C, its library the kernel backend.
find_path(SKEP_LIBBPF_INCLUDE bpf/bpf_helpers.h)
find_library(SKEP_LIBBPF bpf)
mark_as_advanced(SKEP_FMT_INCLUDE SKEP_LIBELF SKEP_ASMJIT_INCLUDE SKEP_ASMJIT_ARCHIVE
  SKEP_LIBBPF_INCLUDE SKEP_LIBBPF)
