# SPDX-License-Identifier: Apache-2.0
#
# Merges the rooms into libskep.a and libskep.so. Both contain what they use of
# asmjit, and neither shows it: users link libelf and the C library only.

get_property(room_targets GLOBAL PROPERTY SKEP_ROOM_TARGETS)
if(NOT room_targets)
  return()
endif()
foreach(room IN LISTS room_targets)
  list(APPEND room_objects $<TARGET_OBJECTS:${room}>)
endforeach()

function(skep_describe_library target)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PRIVATE elf)
  add_dependencies(${target} skep_asmjit_patched)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME skep
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()

add_library(skep_static STATIC ${room_objects})
skep_describe_library(skep_static)
# The archive takes in asmjit's members, so that whoever links it needs no asmjit.
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/asmjit/merge.mri CONTENT
"CREATE $<TARGET_FILE:skep_static>.merged
ADDLIB $<TARGET_FILE:skep_static>
ADDLIB ${SKEP_ASMJIT_PATCHED}
SAVE
END
")
add_custom_command(TARGET skep_static POST_BUILD
  COMMAND ${CMAKE_AR} -M < ${PROJECT_BINARY_DIR}/asmjit/merge.mri
  COMMAND ${CMAKE_COMMAND} -E rename $<TARGET_FILE:skep_static>.merged $<TARGET_FILE:skep_static>
  COMMAND ${CMAKE_RANLIB} $<TARGET_FILE:skep_static>)
set_target_properties(skep_static PROPERTIES EXPORT_NAME skep_static
  LINK_DEPENDS ${SKEP_ASMJIT_PATCHED})
add_library(skep::skep_static ALIAS skep_static)
add_library(skep::skep ALIAS skep_static)

if(SKEP_BUILD_SHARED)
  add_library(skep_shared SHARED ${room_objects})
  skep_describe_library(skep_shared)
  target_link_libraries(skep_shared PRIVATE ${SKEP_ASMJIT_PATCHED})
  target_link_options(skep_shared PRIVATE -Wl,--exclude-libs,ALL
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/libskep.map)
  set_target_properties(skep_shared PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/libskep.map)
  add_library(skep::skep_shared ALIAS skep_shared)
endif()
