#!/usr/bin/env bash
# Build OpenCV 5.0.0 with the convolutions of this folder (apply.py puts them into its source):
#
#     cpp/opencv/build.sh PREFIX
#
# PREFIX, which must not be there yet, gets the C++ libraries, for cmake -DCMAKE_PREFIX_PATH=PREFIX, and in
# PREFIX/wheel a wheel of cv2 that takes the place of opencv-python 5.0.0. Modules: core, imgproc, imgcodecs,
# videoio, highgui, dnn. For Linux. On x86-64 with AVX2 the build runs on every such processor, with AVX-512 where it
# has that; elsewhere it is for the processor that it was built on, as its compiler finds it.
#
# Needs g++, cmake and nasm, which makes JPEG fast, and a Python with pip, its headers and numpy; takes
# libgtk-3-dev for windows and libavcodec-dev libavformat-dev libswscale-dev for videos, if they are there. Some
# 950 files are compiled: 25 minutes on two idle cores. A second call goes on where one was interrupted. PYTHON
# names the interpreter (python3), WORK the folder to work in (PREFIX.work, which may go afterwards), JOBS how
# many compilers run at once. ONNXRUNTIME, if given, names a folder with include/onnxruntime_cxx_api.h and
# lib/libonnxruntime.so, as onnxruntime's release archives have them: the build then has --device onnxruntime.
#
# Exit codes: 0 done; 1 something failed, its own message says what; 2 wrong usage.
set -euo pipefail

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; }
case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
if [ $# != 1 ] || [ "${1:0:1}" = - ]; then
    echo "usage: build.sh PREFIX (more: build.sh --help)" >&2
    exit 2
fi
if [ -e "$1" ]; then
    echo "error: $1 is there already; remove it or name another folder" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$(dirname "$1")"
prefix=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=${WORK:-$prefix.work}
jobs=${JOBS:-$(nproc)}
python=$(command -v "${PYTHON:-python3}") || { echo "error: there is no ${PYTHON:-python3}" >&2 && exit 1; }
source_sha256=b82f9831daab90b725c7c1ee1b36cb5732c367096ac76d119e64e14eb70d5f3c

include=$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")
[ -f "$include/Python.h" ] || { echo "error: $python has no Python.h; install its headers (python3-dev)" >&2 && exit 1; }
"$python" -c "import numpy" || { echo "error: $python has no numpy" >&2 && exit 1; }

onnxruntime=(-DWITH_ONNXRUNTIME=OFF)
if [ -n "${ONNXRUNTIME:-}" ]; then
    for file in include/onnxruntime_cxx_api.h lib/libonnxruntime.so; do
        [ -f "$ONNXRUNTIME/$file" ] || { echo "error: ONNXRUNTIME names $ONNXRUNTIME, which has no $file" >&2 && exit 1; }
    done
    onnxruntime=(-DWITH_ONNXRUNTIME=ON -DHAVE_ONNXRUNTIME=ON "-DONNXRT_ROOT_DIR=$(cd "$ONNXRUNTIME" && pwd)")
fi

if grep -qw avx2 /proc/cpuinfo; then # with AVX-512 as the baseline imgproc of 5.0.0 does not compile
    processor=(-DCPU_BASELINE=AVX2 -DCPU_DISPATCH=AVX512_SKX)
else
    processor=(-DCPU_BASELINE=NATIVE -DCPU_DISPATCH=)
fi

mkdir -p "$work"
cd "$work"

# The source distribution of opencv-python-headless holds OpenCV's whole source.
if [ ! -d opencv ]; then
    echo "opencv-python-headless==5.0.0.93 --hash=sha256:$source_sha256" >source.txt
    "$python" -m pip download --no-deps --no-binary opencv-python-headless --require-hashes -r source.txt -d .
    rm -rf unpacked && mkdir unpacked
    tar -xzf opencv_python_headless-5.0.0.93.tar.gz -C unpacked --strip-components=1 opencv_python_headless-5.0.0.93/opencv
    mv unpacked/opencv opencv
fi
"$python" "$here/apply.py" opencv

# The libraries find one another wherever they lie together, and from where cmake puts the Python module.
cmake -S opencv -B build \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_LIST=core,imgproc,imgcodecs,videoio,highgui,dnn,python3 "${processor[@]}" "${onnxruntime[@]}" \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_RPATH="\$ORIGIN;\$ORIGIN/../../../lib" -DINSTALL_CREATE_DISTRIB=OFF \
    -DBUILD_SHARED_LIBS=ON -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_EXAMPLES=OFF -DBUILD_DOCS=OFF -DBUILD_opencv_apps=OFF \
    -DBUILD_opencv_python2=OFF -DPYTHON3_EXECUTABLE="$python" -DPYTHON3_INCLUDE_DIR="$include" -DPYTHON3_LIBRARY=unused \
    -DPYTHON3_NUMPY_INCLUDE_DIRS="$("$python" -c "import numpy; print(numpy.get_include())")" \
    -DOPENCV_PYTHON3_INSTALL_PATH=python -DWITH_IPP=OFF -DWITH_OPENCL=OFF -DWITH_ITT=OFF -DWITH_ADE=OFF \
    -DWITH_OPENEXR=OFF -DBUILD_ZLIB=ON -DBUILD_JPEG=ON -DBUILD_PNG=ON -DBUILD_TIFF=ON -DBUILD_WEBP=ON -DBUILD_OPENJPEG=ON >configured.txt ||
    { tail -n 40 configured.txt >&2 && exit 1; }
grep -E "CPU/HW|Baseline:|Dispatched|GTK|FFMPEG|ONNX Runtime:|Unicode font" configured.txt || true
cmake --build build -j "$jobs"

# At its place only when it is whole.
rm -rf installed
DESTDIR=$work/installed cmake --install build >installed.txt
"$python" "$here/wheel.py" "$work/installed$prefix" "$work/installed$prefix/wheel"
mv "$work/installed$prefix" "$prefix"
echo "C++: cmake -DCMAKE_PREFIX_PATH=$prefix    Python: pip install $(echo "$prefix"/wheel/*.whl)"
