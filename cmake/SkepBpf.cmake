# SPDX-License-Identifier: Apache-2.0
#
# Compiling BPF C. The default clang is the one that programs are meant for;
# clang-19 adds -mcpu=v4. Both are optional.

find_program(SKEP_CLANG clang)
find_program(SKEP_CLANG_19 clang-19)
mark_as_advanced(SKEP_CLANG SKEP_CLANG_19)
set(skep_bpf_flags -O2 -g -target bpf -Wall -Werror)
if(SKEP_LIBBPF_INCLUDE)
  list(APPEND skep_bpf_flags -isystem ${SKEP_LIBBPF_INCLUDE})
endif()
# <asm/types.h> is in a folder of the host's architecture.
foreach(arch IN ITEMS ${CMAKE_LIBRARY_ARCHITECTURE} ${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu)
  if(EXISTS /usr/include/${arch}/asm/types.h)
    list(APPEND skep_bpf_flags -isystem /usr/include/${arch})
    break()
  endif()
endforeach()

# skep_compile_bpf(SOURCE OUTPUT COMPILER FLAGS...): one object file.
function(skep_compile_bpf source output compiler)
  cmake_path(GET output PARENT_PATH folder)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND ${compiler} ${skep_bpf_flags} ${ARGN} -MD -MF ${output}.d -MT ${output}
            -c ${source} -o ${output}
    DEPENDS ${source} DEPFILE ${output}.d
    COMMENT "Compiling BPF object ${output}"
    VERBATIM)
endfunction()

# Compiles each of SOURCES with -mcpu=v3 into the same place of the build tree,
# as <name>.bpf.o, in a target of the given name that is built by default.
# Makes no target if clang is missing or there are no sources.
function(skep_add_bpf_objects target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;FLAGS")
  if(NOT arg_SOURCES OR NOT SKEP_CLANG)
    return()
  endif()
  foreach(source IN LISTS arg_SOURCES)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE path)
    string(REGEX REPLACE "\\.c$" ".o" object ${PROJECT_BINARY_DIR}/${path})
    skep_compile_bpf(${source} ${object} ${SKEP_CLANG} -mcpu=v3 ${arg_FLAGS})
    list(APPEND objects ${object})
  endforeach()
  add_custom_target(${target} ALL DEPENDS ${objects})
endfunction()
