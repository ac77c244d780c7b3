#!/usr/bin/env bash
# What people who know detect.py type, from first steps to mistakes: what is said, the exit codes, the files.
#
#     tests/command/command_lines.sh [PYTHON]      in a checkout; works in a folder of its own, which it removes
#
# A line is `try CODE WORDS COMMAND…`: the command must end with that code and say those words, on stdout or
# stderr. `files NAMES…` says which files are there below runs/ and out/ now, and takes them away.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:-python}
work=$(mktemp -d)
export PYTHONPATH=$root:$root/tests/support no_proxy=127.0.0.1 PYTHONDONTWRITEBYTECODE=1
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
tried=0

fail() {
    printf 'FAILED: %s\n' "$1"
    sed 's/^/    /' "$work/said"
    exit 1
}

try() {
    local code=$1 words=$2 got=0
    shift 2
    "$@" >"$work/said" 2>&1 <"${input:-/dev/null}" || got=$?
    tried=$((tried + 1))
    [ "$got" = "$code" ] || fail "$* ended with $got, not $code"
    grep -qF -- "$words" "$work/said" || fail "$* did not say: $words"
    [ "$code" != 2 ] || ! grep -q Traceback "$work/said" || fail "$* ended in a traceback"
}

never() { ! grep -qF -- "$1" "$work/said" || fail "it said: $1"; }

files() {
    local found
    found=$({ find runs out -type f 2>/dev/null || true; } | sort | tr "\n" " ")
    [ "$found" = "${*:+$* }" ] || fail "there are the files: $found, not: $*"
    rm -rf runs out
}

detect() { "$python" -m runtime.detect "$@"; }

"$python" - <<'PYTHON'
import exported, onnx_models
from pathlib import Path
import numpy as np
from pictures import red_picture
from runtime.outputs.image_file import write_image
onnx_models.write(Path("best.onnx"))
exported.yolov5(Path("yolov5.onnx"))
exported.yolov8(Path("yolov8.onnx"))
exported.other(Path("pose.onnx"), (1, 51, 84), {**exported.YOLOV8, "task": "pose"})
exported.other(Path("resnet.onnx"), (1, 1000))
Path("best.pt").write_bytes(b"PK\3\4")
for name in ("red.png", "in/a.png", "in/sub/a.png"):
    write_image(Path(name), red_picture())
write_image(Path("grey.png"), np.full((40, 60, 3), 90, np.uint8))
Path("in/notes.txt").touch()
Path("torn.png").write_bytes(b"\x89PNG")
Path("torn.pt").write_bytes(b"torn")
PYTHON

# 1. The files that people own.
try 0 "1 plain" detect --source red.png --weights yolov5.onnx --nosave
try 0 "1 plain" detect --source red.png --weights yolov8.onnx --nosave
try 2 "pose.onnx is an export for the task 'pose'" detect red.png --weights pose.onnx
try 2 "resnet.onnx is a classifier of another exporter: its outputs are (1, 1000)" detect red.png --weights resnet.onnx
try 2 "convert it with: python -m convert best.pt" detect red.png --weights best.pt
for command in "evaluate --images in --annotations in" "classify red.png" "bench red.png"; do
    # shellcheck disable=SC2086
    try 2 "convert it with: python -m convert best.pt" "$python" -m runtime.$command --weights best.pt
done
try 2 "convert it with: python -m convert torn.pt" detect red.png --weights torn.pt
try 2 "there is no file missing.pt" detect red.png --weights missing.pt
try 2 "there is no model file missing.onnx" detect red.png --weights missing.onnx
mv best.onnx kept.onnx
try 2 "convert it with: python -m convert best.pt --output best.onnx" detect red.png --weights best.onnx
mv kept.onnx best.onnx
files

# 2. detect.py's words.
try 0 "saved in runs/detect/exp" detect --weights best.onnx --source red.png --img 64 --conf 0.4 --iou 0.5 \
    --classes 0 --project runs/detect --name exp --exist-ok --hide-labels --hide-conf --line-thickness 2 --save-csv \
    --save-txt --save-conf --save-crop --agnostic-nms --vid-stride 2 --max-det 9
files runs/detect/exp/crops/plain/red_0.jpg runs/detect/exp/labels/red.txt runs/detect/exp/predictions.csv \
    runs/detect/exp/red.png
for word in --half --dnn --augment --visualize --update "--data coco.yaml"; do
    # shellcheck disable=SC2086
    try 2 "${word%% *}" detect --weights best.onnx --source red.png $word
    never "unrecognized"
done
try 2 "cannot use the device 'cuda'" detect --weights best.onnx --source red.png --device 0
try 2 "cannot use the device 'cuda'" detect --weights best.onnx --source red.png --device cuda:0
try 2 "CUDA_VISIBLE_DEVICES=1" detect --weights best.onnx --source red.png --device 1
try 2 "there is no SOURCE" detect --weights best.onnx
try 0 "taken as well: --img (--imgsz)" detect --help
try 0 "yolov5-dnn $("$python" -c "import runtime; print(runtime.__version__)")" detect --version
files

# 3. Runs do not overwrite each other.
try 0 "saved in runs/detect" detect red.png --weights best.onnx
try 0 "saved in runs/detect2" detect red.png --weights best.onnx
try 0 "saved in runs/detect" detect red.png --weights best.onnx --exist-ok
try 0 "saved in out" detect red.png --weights best.onnx --output out --json out/found.json
never "replaced"
try 0 "warning: out/found.json is there already and is replaced" detect red.png --weights best.onnx --nosave \
    --json out/found.json
files out/found.json out/red.png runs/detect/red.png runs/detect2/red.png

# 4. Outputs that are no files, and names that are addresses.
try 0 '"file": "red.png"' detect red.png --weights best.onnx --nosave --json -
try 0 "file,frame,class_id" detect red.png --weights best.onnx --nosave --csv -
try 2 "standard output" detect red.png --weights best.onnx --nosave --json - --csv -
try 0 "1 plain" detect red.png grey.png --weights best.onnx --nosave --json out/found.jsonl
[ "$(wc -l <out/found.jsonl)" = 2 ] || fail "out/found.jsonl has not a line for each of two pictures"
files out/found.jsonl
mkfifo pipe
cat pipe >piped &
reader=$!
try 0 "1 plain" detect red.png --weights best.onnx --nosave --json pipe
wait "$reader"
[ -p pipe ] && grep -q red.png piped || fail "the FIFO was replaced, or nothing went through it"
echo "[]" >target.json && ln -s target.json link.json
try 0 "1 plain" detect red.png --weights best.onnx --nosave --json link.json
[ -L link.json ] && grep -q red.png target.json || fail "the link was replaced, or its target not written"
try 0 "1 plain" detect red.png --weights best.onnx --nosave --json /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
mkdir addresses && echo "no video" >"addresses/http:127.0.0.1:9?.mp4"
try 1 "http:127.0.0.1:9?.mp4" detect addresses --weights best.onnx --nosave
never "refused"

# 5. A window needs a screen.
try 2 "--show needs a display" env -u DISPLAY -u WAYLAND_DISPLAY "$python" -m runtime.detect red.png --view-img \
    --weights best.onnx

# 6. The default model.
try 0 "without --weights it is codes.onnx that looks" detect grey.png --nosave
try 0 "python -m convert best.pt" detect grey.png --nosave
try 0 "qr_code" detect "$root/samples/cluttered.jpg"
never "warning"
files runs/detect/cluttered.jpg

# 8. URLs, standard input, subfolders, what failed.
"$python" -u -m http.server 0 --bind 127.0.0.1 >served 2>&1 &
server=$!
for _ in $(seq 100); do grep -q port served && break || sleep 0.1; done
url=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' served)
try 0 "red.png  64x64  1 plain" detect "$url/red.png" --weights best.onnx
files runs/detect/red.png
try 1 "missing.png: it cannot be got: 404" detect "$url/missing.png" --weights best.onnx
never "saved"
input=red.png try 0 "standard input  64x64  1 plain" detect - --weights best.onnx
files runs/detect/standard-input.jpg
try 0 "; left out: 1 other file, 1 subfolder" detect in --weights best.onnx --nosave
try 0 "2 images in" detect in --recursive --weights best.onnx
files runs/detect/a-2.png runs/detect/a.png
try 1 "error: [2/2] torn.png" detect red.png torn.png --weights best.onnx
files runs/detect/red.png
try 1 "1 failed in" detect torn.png --weights best.onnx
never "saved"
files
try 0 "warning: --imgsz 65 is not divisible by 32: 96 is used" detect red.png --weights best.onnx --imgsz 65 --nosave
mkdir -p folders/sub && cp red.png folders/sub
try 2 "no pictures or videos in this folder; --recursive looks into its subfolders" detect folders --weights best.onnx

# 9. A working folder with a runtime.py of its own.
mkdir bin other
printf 'import sys\nfrom runtime.command.cli import main\nsys.exit(main())\n' >bin/yolov5-dnn
echo 'raise SystemExit("somebody else'"'"'s runtime")' >other/runtime.py
cp best.onnx best.pt red.png other
cd other
try 0 "1 plain" "$python" ../bin/yolov5-dnn detect red.png --weights best.onnx --nosave
try 2 "convert it with: yolov5-dnn convert best.pt" "$python" ../bin/yolov5-dnn detect red.png --weights best.pt
try 0 "yolov5-dnn detect samples/cluttered.jpg" "$python" ../bin/yolov5-dnn detect --help
cd ..

# 7. The same from Python.
try 0 "plain 1 2 ('plain', 'bluish') <Detections: 1 plain>" "$python" -c "
import cv2, runtime
detector = runtime.Detector('best.onnx')
detections = detector(cv2.imread('red.png'))
print(*(each.name for each in detections), len(detections[detections.scores > 0.5]), runtime.__version__[0],
      detector.names, detections)"

echo "$tried command lines did what they should"
