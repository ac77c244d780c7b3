#!/usr/bin/env bash
# Builds the C++ detector for 64-bit ARM on a Debian 12 machine of another kind, and runs its tests and the program there
# under qemu, which emulates the processor instruction by instruction:
#
#     cpp/cross-aarch64.sh [BUILD_FOLDER] [MODEL.onnx IMAGE]
#
# Debian's libopencv-dev cannot be installed for two processors at once (they share files that differ), so the ARM
# packages are only unpacked, into BUILD_FOLDER/sysroot; the machine's own packages stay as they are. As root, or where
# sudo is, it installs the cross compiler and qemu and makes apt know ARM's package lists.
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)
build=$(realpath -m "${1:-$source/build-aarch64}")
model=${2:-$source/../weights/codes.onnx}
image=${3:-$source/../samples/cluttered.jpg}
sysroot=$build/sysroot
mkdir -p "$build/packages" "$sysroot"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

say() { printf '\n=== %s  (%ss)\n' "$*" "$SECONDS"; }

say "cross compiler and qemu"
tools=(g++-aarch64-linux-gnu cmake make qemu-user)
if ! dpkg -s "${tools[@]}" >/dev/null 2>&1; then
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${tools[@]}"
fi

say "OpenCV for ARM, unpacked"
if [ ! -e "$sysroot/complete" ]; then
    # apt with state of its own: it knows no installed package, so that it names all of them, and touches none here.
    apt=(-o Dir::State="$build/apt" -o Dir::State::status="$build/apt/status" -o Dir::Cache="$build/apt/cache"
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root)
    mkdir -p "$build/apt/lists/partial" "$build/apt/cache/archives/partial"
    : >"$build/apt/status"
    apt-get "${apt[@]}" update -q
    apt-get "${apt[@]}" install -qy --no-install-recommends --download-only libopencv-dev libstdc++-12-dev doctest-dev
    for package in "$build"/apt/cache/archives/*.deb; do dpkg -x "$package" "$sysroot"; done
    # Links to libraries by absolute path would lead out of the sysroot.
    find "$sysroot" -type l -lname '/*' | while read -r link; do
        ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$sysroot$(readlink "$link")")" "$link"
    done
    # What the post-install scripts would have chosen, since none has run.
    libraries=$sysroot/usr/lib/aarch64-linux-gnu
    for chosen in blas/libblas.so.3 lapack/liblapack.so.3; do
        [ -e "$libraries/$(basename "$chosen")" ] || ln -s "$chosen" "$libraries/$(basename "$chosen")"
    done
    touch "$sysroot/complete"
fi

say "build"
cat >"$build/aarch64.cmake" <<TOOLCHAIN
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT "$sysroot")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH "$sysroot")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;$sysroot)
TOOLCHAIN
cmake -S "$source" -B "$build/cmake" -DCMAKE_TOOLCHAIN_FILE="$build/aarch64.cmake" -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_TESTING=ON -DYOLOV5_DNN_WERROR=ON
cmake --build "$build/cmake" -j "$(nproc)"
file -b "$build/cmake/yolov5-detect" 2>/dev/null || true

say "tests, emulated"
ctest --test-dir "$build/cmake" -j "$(nproc)" --output-on-failure | tail -n 6

say "the program, emulated"
qemu-aarch64 -L "$sysroot" "$build/cmake/yolov5-detect" "$image" --weights "$model" --no-save --json "$build/found.json"
cat "$build/found.json"
say "done"
