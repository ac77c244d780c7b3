#!/usr/bin/env bash
# Build OpenCV.js 5.0.0 with SIMD, from OpenCV's own source, three times as fast as the npm package:
#
#     samples/web/build-opencv.sh            one thread: samples/web/opencv/simd/
#     samples/web/build-opencv.sh threads    several threads: samples/web/opencv/threads/
#
# The page takes what lies there. Needs Debian's packages emscripten (3.1.6), cmake, python3-pip and nodejs, and
# about 25 minutes on two idle cores. WORK names the folder to work in, JOBS how many compilers run at once.
set -euo pipefail

kind=${1:-simd}
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$here/opencv/work}
jobs=${JOBS:-$(nproc)}
source_sha256=b82f9831daab90b725c7c1ee1b36cb5732c367096ac76d119e64e14eb70d5f3c

# With threads, four compute: the one that calls and three of a pool, which page/opencv.js knows.
case $kind in
    simd) flags="-msimd128" threads=OFF link="" project="" ;;
    threads)
        flags="-msimd128 -pthread" threads=ON link="-s PTHREAD_POOL_SIZE=3"
        # The bindings can set the number of threads, but aren't told that there are any.
        project="cmake_language(DEFER CALL target_compile_definitions opencv_js PRIVATE HAVE_PTHREADS_PF)"
        ;;
    *) echo "usage: build-opencv.sh [simd|threads]" >&2 && exit 2 ;;
esac

# Without it every compiler test of Emscripten fails for want of acorn.
export NODE_PATH=/usr/share/nodejs
mkdir -p "$work"
cd "$work"

# The source distribution of opencv-python-headless holds OpenCV's whole source.
if [ ! -d opencv ]; then
    echo "opencv-python-headless==5.0.0.93 --hash=sha256:$source_sha256" >source.txt
    python3 -m pip download --no-deps --no-binary opencv-python-headless --require-hashes -r source.txt -d .
    rm -rf unpacked && mkdir unpacked
    tar -xzf opencv_python_headless-5.0.0.93.tar.gz -C unpacked --strip-components=1 opencv_python_headless-5.0.0.93/opencv
    mv unpacked/opencv opencv # whole, or not at all
fi

# The generated bindings say `using namespace cv::segmentation`, which only a module that isn't built declares. A newer
# file would have everything compiled again.
[ -f segmentation.hpp ] || echo "namespace cv { namespace segmentation {} }" >segmentation.hpp
echo "$project" >"$kind.cmake"

emcmake cmake -S opencv -B "$kind" \
    -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS="$flags" \
    -DCMAKE_CXX_FLAGS="$flags -include $work/segmentation.hpp" \
    -DCMAKE_PROJECT_OpenCV_INCLUDE="$work/$kind.cmake" \
    -DCMAKE_EXE_LINKER_FLAGS="-s ENVIRONMENT=web,worker -s EXPORT_ES6=1 -s USE_ES6_IMPORT_META=1 $link" \
    -DCPU_BASELINE= -DCPU_DISPATCH= -DCV_ENABLE_INTRINSICS=ON -DENABLE_PIC=OFF -DCV_TRACE=OFF \
    -DBUILD_LIST=core,imgproc,dnn,js -DBUILD_opencv_js=ON -DBUILD_SHARED_LIBS=OFF \
    -DBUILD_DOCS=OFF -DBUILD_EXAMPLES=OFF -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_opencv_apps=OFF \
    -DBUILD_PACKAGE=OFF -DBUILD_ZLIB=ON -DWITH_PTHREADS_PF=$threads \
    -DWITH_ITT=OFF -DWITH_IPP=OFF -DWITH_LAPACK=OFF -DWITH_EIGEN=OFF -DWITH_OPENCL=OFF -DWITH_TBB=OFF -DWITH_VTK=OFF \
    -DWITH_ADE=OFF -DWITH_JPEG=OFF -DWITH_PNG=OFF -DWITH_TIFF=OFF -DWITH_WEBP=OFF -DWITH_OPENJPEG=OFF -DWITH_JASPER=OFF \
    -DWITH_OPENEXR=OFF -DWITH_AVIF=OFF -DWITH_FFMPEG=OFF -DWITH_GSTREAMER=OFF -DWITH_V4L=OFF -DWITH_GTK=OFF -DWITH_1394=OFF

cmake --build "$kind" --target opencv_js -j "$jobs"

mkdir -p "$here/opencv/$kind"
cp "$kind"/bin/opencv_js.js "$kind"/bin/opencv_js.wasm "$here/opencv/$kind/"
if [ "$kind" = threads ]; then cp "$kind"/bin/opencv_js.worker.js "$here/opencv/$kind/"; fi
cd "$here"
if [ -d node_modules ]; then node install.js; fi
ls -l "opencv/$kind"
