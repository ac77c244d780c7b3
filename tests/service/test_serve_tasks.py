"""Every task of the project through the service: converted checkpoints; the answers are the Python API's."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")
tg = pytest.importorskip("tritonclient.grpc", reason="needs the extra `serve`")
pytest.importorskip("torch", reason="needs PyTorch to convert")

from serving import Server, serving  # noqa: E402

from convert import convert  # noqa: E402
from runtime import Classifier, Detections, Detector  # noqa: E402
from runtime.inputs.image_file import read_image  # noqa: E402
from runtime.results.rle import decode  # noqa: E402
from runtime.service.request import InferenceRequest  # noqa: E402
from runtime.service.response import infer  # noqa: E402
from runtime.service.served_model import ServedModel  # noqa: E402

MODELS = {
    "seg": "random-v7.0-n-seg-6c",
    "face": "random-face-n-0.5",
    "cls": "random-v7.0-n-cls",
    "free": "random-yolov5nu",
}


@pytest.fixture(scope="module")
def models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    for name, checkpoint in MODELS.items():
        convert(shared / "checkpoints" / f"{checkpoint}.pt", folder / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), models, "--workers", "1") as running:
        yield running


@pytest.fixture(scope="module")
def picture(shared: Path) -> Path:
    return shared / "images" / "bus.jpg"


def ask(
    server: Server, model: str, picture: Path, outputs: list[str] | None = None, **parameters: Any
) -> Any:
    tensor = tg.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([picture.read_bytes()], object))
    wanted = [tg.InferRequestedOutput(name) for name in outputs] if outputs else None
    with tg.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        return client.infer(model, [tensor], outputs=wanted, parameters=parameters)


def test_masks(server: Server, models: Path, picture: Path) -> None:
    thresholds: dict[str, Any] = {"conf_thres": 0.3, "max_det": 20}
    found = ask(server, "seg", picture, ["boxes", "masks", "proto"], **thresholds)
    expected = Detector(models / "seg.onnx", **thresholds)(read_image(picture))
    assert len(expected) >= 3
    assert np.abs(found.as_numpy("boxes") - expected.xyxy).max() < 1e-3
    assert expected.masks is not None
    for text, mask in zip(found.as_numpy("masks"), expected.masks, strict=True):
        assert np.array_equal(decode(json.loads(text)), mask)
    assert found.as_numpy("proto").ndim == 4


@pytest.mark.parametrize(("model", "more"), [("seg", "masks"), ("face", "keypoints")])
def test_what_is_not_asked_for_is_not_computed(
    models: Path, picture: Path, model: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = ServedModel(model, 1, models / f"{model}.onnx", 1, {})
    whole = Detector(models / f"{model}.onnx", conf_thres=0.3, max_det=20)(read_image(picture))
    made = []

    def detections(*given: Any) -> Detections:
        made.append(given)
        return whole

    monkeypatch.setattr(type(served.info.task), "detections", detections)

    def found(*outputs: str) -> dict[str, np.ndarray]:
        request = InferenceRequest([picture.read_bytes()], [*outputs], {"conf_thres": 0.3, "max_det": 20})
        return infer(served, 0, request, math.inf, 1 << 27)[0][0]

    boxes = found("boxes", "scores", "class_ids", "names", "out0")["boxes"]
    assert not made
    assert len(boxes) >= 3
    assert np.array_equal(boxes, whole.xyxy)
    assert len(found("boxes", more)[more]) == len(found("annotated", more)[more]) == len(boxes)
    assert len(made) == 2


def test_keypoints(server: Server, models: Path, picture: Path) -> None:
    found = ask(server, "face", picture, conf_thres=0.1, max_det=20)
    expected = Detector(models / "face.onnx", conf_thres=0.1, max_det=20)(read_image(picture))
    assert len(expected) >= 3
    assert expected.keypoints is not None
    assert found.as_numpy("keypoints").shape == expected.keypoints.shape
    assert np.abs(found.as_numpy("keypoints") - expected.keypoints).max() < 1e-2


def test_classification(server: Server, models: Path, picture: Path) -> None:
    found = ask(server, "cls", picture, top=3)
    expected = Classifier(models / "cls.onnx")(read_image(picture))
    assert np.abs(found.as_numpy("probabilities")[0] - expected.probabilities).max() < 1e-6
    assert found.as_numpy("class_ids").tolist() == [guess.class_id for guess in expected.top(3)]
    assert [name.decode() for name in found.as_numpy("names")] == [guess.name for guess in expected.top(3)]
    status, answer = server.ask("/v2/models/cls/infer", b'{"inputs": [], "parameters": {}}')
    assert status == 400, answer
    metadata = server.ask("/v2/models/cls")[1]
    assert [each["name"] for each in metadata["outputs"]] == [
        "scores", "class_ids", "names", "probabilities", "annotated", "image_ids", "out0",
    ]  # fmt: skip


def test_heads_alone(server: Server, models: Path, picture: Path) -> None:
    """The network's outputs without what is made of them: the same as beside it."""
    cases = (("seg", "proto", "boxes", "letterbox"), ("cls", "out0", "scores", "crop"))
    for model, head, other, stage in cases:
        before = len(server.lines())
        alone = ask(server, model, picture, [head]).as_numpy(head)
        beside = ask(server, model, picture, [head, other]).as_numpy(head)
        assert np.array_equal(alone, beside)
        end = time.monotonic() + 10
        while not (lines := [each for each in server.lines()[before:] if each.get("model") == model]):
            assert time.monotonic() < end  # the log's line may come after the answer
            time.sleep(0.05)
        assert set(lines[0]["stages"]) == {"queue", "picture", stage, "forward", "output"}


def test_without_anchors(server: Server, models: Path, picture: Path) -> None:
    found = ask(server, "free", picture, conf_thres=0.05)
    expected = Detector(models / "free.onnx", conf_thres=0.05)(read_image(picture))
    assert found.as_numpy("boxes").shape == expected.xyxy.shape
    assert np.abs(found.as_numpy("boxes") - expected.xyxy).max(initial=0) < 1e-2


# Which of every third pixel changes if a part of what was found is left out of the drawing: rows of 0 and 1.
CHANGED = """(without) => {
    const canvas = document.querySelector('#canvas');
    const pixels = (found) => {
        drawFound(canvas, state.picture, found);
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    };
    const [one, other] = [pixels(state.found), pixels(without ? {...state.found, [without]: null} : null)];
    const rows = [];
    for (let y = 0; y < canvas.height; y += 3) {
        let row = '';
        for (let x = 0; x < canvas.width; x += 3) {
            const at = 4 * (y * canvas.width + x);
            row += [0, 1, 2].some((i) => one[at + i] !== other[at + i]) ? '1' : '0';
        }
        rows.push(row);
    }
    return rows;
}"""


def test_the_page_draws_each_of_them(server: Server, models: Path, picture: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("needs Chromium")

    def show(model: str, confidence: float | None = None) -> list[list[str]]:
        """Let the page look at the picture; gives its table."""
        page.select_option("#model", f"{model}/1")
        page.locator("#code", has_text=f"/models/{model}/").wait_for()
        if confidence:
            page.eval_on_selector(
                "#conf", "(e, to) => { e.value = to; e.dispatchEvent(new Event('input')) }", confidence
            )
        playwright.expect(page.locator("#busy")).to_be_hidden(timeout=60_000)  # the picture before, once more
        page.evaluate("document.querySelector('#summary').textContent = ''")
        page.set_input_files("#file", picture)
        playwright.expect(page.locator("#summary")).not_to_have_text("", timeout=60_000)
        assert page.locator("#message").is_hidden()
        return page.eval_on_selector_all(
            "#found tbody tr", "trs => trs.map(tr => [...tr.cells].map(td => td.innerText.trim()))"
        )

    def changed(without: str = "") -> np.ndarray:
        return np.array([[letter == "1" for letter in row] for row in page.evaluate(CHANGED, without)])

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.url)
        playwright.expect(page.locator("#model option")).to_have_count(len(MODELS), timeout=60_000)
        image = read_image(picture)

        found = Detector(models / "seg.onnx", conf_thres=0.99)(image)
        assert len(show("seg", 0.99)) == len(found) >= 3
        inside = np.any(np.asarray(found.masks)[:, ::3, ::3], axis=0)
        tinted = changed("masks")
        assert not (tinted & ~inside).any()
        assert tinted.sum() > 0.5 * inside.sum()  # lines and labels lie over the rest

        found = Detector(models / "face.onnx", conf_thres=0.99)(image)
        assert len(show("face", 0.99)) == len(found) >= 3
        assert found.keypoints is not None
        near = np.zeros(image.shape[:2], bool)
        for x, y in found.keypoints.reshape(-1, 2).round().astype(int):
            near[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12] = True
        dotted = changed("keypoints")
        assert dotted.any()
        assert not (dotted & ~near[::3, ::3]).any()

        guesses = Classifier(models / "cls.onnx")(image).top(5)
        assert [row[:2] for row in show("cls")] == [
            [guess.name, f"{guess.probability:.2f}"] for guess in guesses
        ]
        assert page.locator("#found meter").count() == 5
        written = changed()
        assert written[:20, :20].all()  # the first class's name, on its colour
        assert not written[:, written.shape[1] // 2 :].any()

        assert page.locator("#message").is_hidden()
        show("free")
        browser.close()
    assert not problems
