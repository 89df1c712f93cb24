# SPDX-License-Identifier: Apache-2.0
#
# Cross build for arm64 on an x86-64 Debian. Needs the packages of the command
# "arm64" in scripts/packages.txt, among them the libraries as foreign-architecture packages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# Debian's foreign packages lie in /usr/lib/aarch64-linux-gnu beside the host's;
# headers are shared. Host libraries must not be found in their place.
set(CMAKE_IGNORE_PATH /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
