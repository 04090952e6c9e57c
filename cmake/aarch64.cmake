# Cross build for aarch64 with Debian's compiler; tools/aarch64_check.sh makes the sysroot with the libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(FATHOM_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64/sysroot)
set(CMAKE_FIND_ROOT_PATH ${FATHOM_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${FATHOM_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${FATHOM_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${FATHOM_SYSROOT}/usr/share/pkgconfig)
# Libraries of libraries (ncurses under libedit) are found when the program is linked.
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-Wl,-rpath-link,${FATHOM_SYSROOT}/usr/lib/aarch64-linux-gnu:${FATHOM_SYSROOT}/lib/aarch64-linux-gnu")
