# SPDX-License-Identifier: Apache-2.0
#
# find_package(skep) gives skep::skep_static, skep::skep_shared (where built),
# skep::skep for one of the two, and skep::kernel.
include(CMakePackageConfigHelpers)

if(NOT TARGET skep_static)
  return()
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/skep)
set(targets skep_static)
foreach(target IN ITEMS skep_shared skep_kernel)
  if(TARGET ${target})
    list(APPEND targets ${target})
  endif()
endforeach()
install(TARGETS ${targets} EXPORT skep-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT skep-targets NAMESPACE skep:: DESTINATION ${package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/skep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/skep-config.cmake.in
  ${PROJECT_BINARY_DIR}/skep-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/skep-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/skep-config.cmake ${PROJECT_BINARY_DIR}/skep-config-version.cmake
  DESTINATION ${package_dir})

foreach(program IN ITEMS skep skep-conformance-plugin)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
if(SKEP_BUILD_TOOLS AND EXISTS ${PROJECT_SOURCE_DIR}/tools/completion/skep.bash)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/skep.bash RENAME skep
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
