"""The core in Python, C++ and JavaScript is the same by file and by name, but for what is listed here."""

from __future__ import annotations

import pytest
from twins import files, names

FILES = {language: files(language) for language in ("python", "cpp", "js")}

# Modules that only Python has, and why there is no twin.
ONLY_PYTHON = {
    "cpp": {
        "drawing/marks": "in draw.hpp",
        "engines/load": "OpenCV is the only engine",
        "engines/onnxruntime": "OpenCV is the only engine",
        "engines/outputs": "in network.hpp",
        "model/checkpoint": "only Python's `info` looks into a checkpoint",
        "predictors/load": "the class is the type that a program is compiled for",
        "predictors/settings": "struct Options in detector.hpp",
        "results/columns": "a detection is a struct; its columns are members",
        "tasks/anchor_free": "a row of tasks.hpp",
        "tasks/classify": "a row of tasks.hpp",
        "tasks/detect": "a row of tasks.hpp",
        "tasks/keypoints": "a row of tasks.hpp",
        "tasks/metadata": "in read_info.hpp",
        "tasks/segment": "a row of tasks.hpp",
        "tasks/task": "struct Task in tasks.hpp",
    },
    "js": {
        "drawing/marks": "in draw.js",
        "drawing/text": "the browser's canvas sets text",
        "engines/devices": "WebAssembly is the only device",
        "engines/load": "OpenCV is the only engine",
        "engines/onnxruntime": "OpenCV is the only engine",
        "engines/outputs": "in network.js",
        "model/buffer": "in file.js",
        "model/checkpoint": "only Python's `info` looks into a checkpoint",
        "program": "there is no command line",
        "results/columns": "a detection is an object; its columns are properties",
        "results/detections": "a list of objects, as detector.js gives it",
        "stages/crop": "in letterbox.js and classification.js",
        "tasks/model_info": "in file.js",
        "tasks/read_info": "in file.js",
        "tasks/task": "documented in tasks.js",
    },
}
# The graph's shapes are not inferred in the browser: WebAssembly and the worker bound what a graph may do.
ONLY_PYTHON["js"] |= {
    name: "shapes are left to WebAssembly"
    for name in FILES["python"]
    if name.startswith("model/shape_inference/")
}
ONLY_THERE = {
    "cpp": {
        "model/json": "the standard library has no JSON",
        "predictors/segmenter": "a class for detections with masks",
        "tasks/tasks": "tasks/__init__.py",
        "unicode": "the standard library does not decode UTF-8",
    },
    "js": {"tasks/tasks": "tasks/__init__.py", "values": "checks of numbers that Python's types do"},
}

# Public names: those that only Python has, and those that only the twin has. In model/ and tasks/ only
# files are compared: C++ reads a file in `namespace detail`, and a task is a class, a row or an object.
DIFFERENT = {
    ("drawing/draw", "cpp"): ("line_width text_size", "DrawOptions five_points text_colour"),
    ("drawing/draw", "js"): ("", "css text_colour"),
    ("drawing/text", "cpp"): ("Extent measure printable put_text", ""),
    ("engines/network", "cpp"): ("keep_freed_memory mallopt", ""),
    ("engines/network", "js"): ("keep_freed_memory mallopt", ""),
    ("errors", "cpp"): ("first_line", ""),
    ("errors", "js"): ("DeviceError first_line", ""),
    ("escape", "cpp"): ("escape_value", ""),
    ("escape", "js"): ("escape_value", ""),
    ("predictors/classifier", "cpp"): ("", "ClassifierOptions read_classifier"),
    ("predictors/detector", "cpp"): ("Place", "Options Timings"),
    ("predictors/detector", "js"): ("Place", "to_dict"),
    ("predictors/settings", "js"): ("Settings positive", ""),
    ("predictors/tiles", "js"): ("Window", ""),
    ("program", "cpp"): (
        "child_code child_command how_to_convert prepare_process program take_interrupts",
        "",
    ),
    ("results/classification", "js"): ("Classification Guess", "to_classifier_blob top"),
    ("results/detections", "cpp"): ("Detections class_counts", ""),
    ("results/rle", "cpp"): ("decode encode", "encode_rle"),
    ("results/rle", "js"): ("decode", ""),
    ("stages/anchor_free", "js"): ("decode_distances", ""),
    ("stages/decode", "cpp"): ("sigmoid", "Head head_of"),
    ("stages/decode", "js"): ("Layout Picked", "as_candidates best_class"),
    ("stages/letterbox", "cpp"): ("Letterboxer round_up", ""),
    ("stages/letterbox", "js"): ("Letterboxer Placement round_up to_bgr", "check_image resize"),
    ("stages/masks", "cpp"): ("Masks make_bitmaps", "Bitmap Mask make_bitmap"),
    ("stages/masks", "js"): ("Masks", "to_image"),
    ("stages/nms", "cpp"): ("Boxes", "iou"),
    ("stages/nms", "js"): ("Boxes", ""),
}


@pytest.mark.parametrize("language", ["cpp", "js"])
def test_files(language: str) -> None:
    python, there = FILES["python"].keys(), FILES[language].keys()
    assert python - there == ONLY_PYTHON[language].keys()
    assert there - python == ONLY_THERE[language].keys()


PAIRS = [
    (name, language)
    for language in ("cpp", "js")
    for name in sorted(FILES["python"].keys() & FILES[language].keys())
    if not name.startswith(("model/", "tasks/"))
]


@pytest.mark.parametrize(("name", "language"), PAIRS)
def test_public_names(name: str, language: str) -> None:
    ours, theirs = names(FILES["python"][name]), names(FILES[language][name])
    known = tuple(set(each.split()) for each in DIFFERENT.get((name, language), ("", "")))
    assert (ours - theirs, theirs - ours) == known


def test_no_difference_is_listed_in_vain() -> None:
    assert DIFFERENT.keys() <= set(PAIRS)
    assert len([pair for pair in PAIRS if pair not in DIFFERENT]) >= 5


def test_the_reader_of_names_sees_them() -> None:
    """What is known to be there is found in each language."""
    for language, found in FILES.items():
        assert "nms" in names(found["stages/nms"]), language
        assert "draw" in " ".join(names(found["drawing/draw"])), language
        assert "escape" in names(found["escape"]), language
