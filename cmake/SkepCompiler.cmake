# SPDX-License-Identifier: Apache-2.0
#
# Two interface targets carry the compiler's settings:
#   skep_build_options   everything of this project is compiled with it
#   skep_library_options the rooms of the library, on top of it

add_library(skep_build_options INTERFACE)
target_include_directories(skep_build_options INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(skep_build_options INTERFACE FMT_HEADER_ONLY=1)
target_compile_options(skep_build_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wsign-conversion;-Wold-style-cast>
  $<$<COMPILE_LANGUAGE:CXX>:-Wimplicit-fallthrough;-Wswitch>
  # clang counts SKEP_CHECK(!"why") as a suspicious conversion; it is meant.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety;-Wno-string-conversion>
  # g++ 12 at -O3 warns about std::string's own copies (GCC bug 105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<CONFIG:Release>>:-Wno-restrict>
  # Paths in messages and debug information start at the source tree: builds of
  # two checkouts are the same bytes, and share a compiler cache.
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(SKEP_WERROR)
  target_compile_options(skep_build_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()

add_library(skep_library_options INTERFACE)
target_link_libraries(skep_library_options INTERFACE skep_build_options)
target_compile_options(skep_library_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti>)

if(SKEP_SANITIZE)
  string(REPLACE ";" "," sanitizers "${SKEP_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
  if("undefined" IN_LIST SKEP_SANITIZE)
    # vptr and function need the RTTI that the library is built without.
    add_compile_options(-fno-sanitize=vptr -fno-sanitize-recover=all)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      add_compile_options(-fno-sanitize=function)
    endif()
  endif()
endif()
if(SKEP_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SKEP_BUILD_FUZZERS needs clang (libFuzzer); found ${CMAKE_CXX_COMPILER_ID}")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(SKEP_COVERAGE)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SKEP_COVERAGE needs clang (llvm-cov); found ${CMAKE_CXX_COMPILER_ID}")
  endif()
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

if(SKEP_CCACHE AND (NOT CMAKE_CXX_COMPILER_LAUNCHER OR CMAKE_CXX_COMPILER_LAUNCHER STREQUAL "ccache"))
  find_program(SKEP_CCACHE_PROGRAM ccache)
  mark_as_advanced(SKEP_CCACHE_PROGRAM)
  if(SKEP_CCACHE_PROGRAM)
    # No directory in the hash, paths relative to the source tree: a second
    # checkout of the same files is served from the first one's results.
    set(launcher ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} ${SKEP_CCACHE_PROGRAM})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  endif()
endif()
