# libpolymoe.so, one shared library that shows its public names alone, with everything else in it; and how it is
# installed: headers, the library, what find_package(polymoe) and pkg-config read.
# `cmake --install BUILD --prefix DIR [--component library|program]`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What has public names is linked as object files: what comes out of an archive is hidden (cmake/BuildTools.cmake).
add_library(polymoe_library SHARED $<TARGET_OBJECTS:polymoe_api> $<TARGET_OBJECTS:polymoe_public>)
set(version_script "${CMAKE_SOURCE_DIR}/cmake/library.map")
target_link_libraries(polymoe_library PRIVATE polymoe)
target_link_options(polymoe_library PRIVATE "-Wl,--version-script=${version_script}" -Wl,--as-needed)
target_include_directories(polymoe_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(polymoe_library INTERFACE cxx_std_20)
set_target_properties(polymoe_library PROPERTIES
  OUTPUT_NAME polymoe EXPORT_NAME polymoe LINKER_LANGUAGE CXX LINK_DEPENDS "${version_script}"
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  INSTALL_RPATH "${POLYMOE_TORCH_ROOT}/lib")

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/polymoe")
install(TARGETS polymoe_library EXPORT polymoeTargets LIBRARY COMPONENT library)
install(DIRECTORY include/polymoe TYPE INCLUDE COMPONENT library)
install(EXPORT polymoeTargets NAMESPACE polymoe:: DESTINATION "${package_folder}" COMPONENT library)
configure_package_config_file(cmake/polymoeConfig.cmake.in "${CMAKE_BINARY_DIR}/polymoeConfig.cmake"
  INSTALL_DESTINATION "${package_folder}" NO_SET_AND_CHECK_MACRO)
# Before version 1 a change of the second number may break programs.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/polymoeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/polymoeConfig.cmake" "${CMAKE_BINARY_DIR}/polymoeConfigVersion.cmake"
  DESTINATION "${package_folder}" COMPONENT library)
file(RELATIVE_PATH prefix_from_pkgconfig "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
foreach(package polymoe polymoe-moe)
  configure_file(cmake/${package}.pc.in "${CMAKE_BINARY_DIR}/${package}.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/${package}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT library)
endforeach()
