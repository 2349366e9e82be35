# What `cmake --install` puts where, and CPack's two Debian packages.
install(TARGETS rille RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(TARGETS rille_shared rille_static EXPORT rille-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(FILES lua/host/rille.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

file(RELATIVE_PATH RILLE_PC_TO_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(lua/host/packaging/rille.pc.in ${PROJECT_BINARY_DIR}/rille.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/rille.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

include(CMakePackageConfigHelpers)
set(RILLE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/rille)
configure_package_config_file(lua/host/packaging/rilleConfig.cmake.in ${PROJECT_BINARY_DIR}/rilleConfig.cmake
  INSTALL_DESTINATION ${RILLE_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rilleConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rilleConfig.cmake ${PROJECT_BINARY_DIR}/rilleConfigVersion.cmake
  DESTINATION ${RILLE_CMAKE_DIR} COMPONENT dev)
install(EXPORT rille-targets NAMESPACE rille:: DESTINATION ${RILLE_CMAKE_DIR} COMPONENT dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rille)
set(CPACK_PACKAGE_VENDOR rille)
set(CPACK_PACKAGE_CONTACT "The rille maintainers <maintainers@rille.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "scriptable async runtime embedding Lua 5.4")
set(CPACK_COMPONENTS_ALL runtime dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME rille)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME rille-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "rille (= ${PROJECT_VERSION}), liblua5.4-dev, libuv1-dev")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
