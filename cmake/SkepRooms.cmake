# SPDX-License-Identifier: Apache-2.0

# Makes the object library skep_<name> of the sources in the current folder and
# its direct subfolders. A room that has no sources yet makes no target.
function(skep_add_room name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc */*.cc)
  if(NOT sources)
    return()
  endif()
  add_library(skep_${name} OBJECT ${sources})
  target_link_libraries(skep_${name} PRIVATE skep_library_options)
  set_property(GLOBAL APPEND PROPERTY SKEP_ROOM_TARGETS skep_${name})
endfunction()
