"""The service's page, in a real Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")
pytest.importorskip("tritonclient.http", reason="needs the extra `serve`")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if not CHROMIUM:
    pytest.skip("needs Chromium", allow_module_level=True)

from paths import ROOT  # noqa: E402
from serving import Server, serving  # noqa: E402

from runtime import Detector  # noqa: E402
from runtime.inputs.image_file import read_image  # noqa: E402

PICTURE = ROOT / "samples" / "cluttered.jpg"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, "--workers", "1") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    fake = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=fake)
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, server: Server, browser: Any) -> Iterator[Any]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url)
    playwright.expect(page.locator("#model option")).to_have_count(1, timeout=20_000)
    yield page
    assert not problems
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
    context.close()


def rows(page: Any) -> list[list[str]]:
    return page.eval_on_selector_all(
        "#found tbody tr", "trs => trs.map(tr => [...tr.cells].map(td => td.innerText.trim()))"
    )


def test_a_picture_shows_its_boxes(page: Any) -> None:
    page.set_input_files("#file", PICTURE)
    page.wait_for_selector("#found tbody tr")
    expected = Detector()(read_image(PICTURE))
    assert [(name, score) for name, score, _ in rows(page)] == [
        (each.name, f"{each.score:.2f}") for each in expected
    ]
    assert [box for *_, box in rows(page)] == [
        " ".join(str(int(np.floor(edge + 0.5))) for edge in each.box) for each in expected
    ]
    # The best box's colour stands along its left edge.
    x1, y1, _, y2 = expected.xyxy[0].tolist()
    pixel = page.evaluate(
        "([x, y]) => [...document.querySelector('#canvas').getContext('2d').getImageData(x, y, 1, 1).data]",
        [round(x1), round((y1 + y2) / 2)],
    )
    swatch = page.evaluate("getComputedStyle(document.querySelector('.swatch')).backgroundColor")
    assert swatch == f"rgb({pixel[0]}, {pixel[1]}, {pixel[2]})"


def test_thresholds_look_again(page: Any) -> None:
    page.set_input_files("#file", PICTURE)
    page.wait_for_selector("#found tbody tr")
    few = sum(each.score > 0.6 for each in Detector()(read_image(PICTURE)))
    page.eval_on_selector(
        "#conf",
        "e => { e.value = 0.6; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')) }",
    )
    playwright.expect(page.locator("#found tbody tr")).to_have_count(few)
    assert '"conf_thres":0.6' in page.inner_text("#code")


def test_a_picture_before_the_models_are_known(server: Server, browser: Any) -> None:
    page = browser.new_page()

    def late(route: Any) -> None:
        time.sleep(1)
        route.continue_()

    page.route("**/config", late)
    page.goto(server.url)
    page.set_input_files("#file", PICTURE)
    page.wait_for_selector("#found tbody tr")
    assert page.locator("#message").is_hidden()
    page.close()


def test_the_lines_to_copy_work(server: Server, browser: Any, tmp_path: Path) -> None:
    shutil.copy(PICTURE, tmp_path / "a 'picture'.jpg")
    page = browser.new_page()
    page.goto(server.url)
    playwright.expect(page.locator("#model option")).to_have_count(1, timeout=20_000)
    page.set_input_files("#file", tmp_path / "a 'picture'.jpg")
    page.wait_for_selector("#found tbody tr")
    expected = Detector()(read_image(PICTURE))
    for language, command in (
        ("curl", ["sh", "-c"]),
        ("python", [sys.executable, "-c"]),
        ("triton", [sys.executable, "-c"]),
    ):
        page.click(f"[data-language={language}]")
        done = subprocess.run(
            [*command, page.inner_text("#code")], cwd=tmp_path, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        assert f"{expected.xyxy[0, 0]:.4f}"[:6] in done.stdout, (language, done.stdout, done.stderr)
    page.close()


def test_what_is_no_picture_is_told(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#file", tmp_path / "notes.png")
    page.wait_for_selector("#message:not([hidden])")
    assert "picture" in page.inner_text("#message")


def test_the_camera(page: Any) -> None:
    """Chromium's pretended camera."""
    page.click("#camera")
    playwright.expect(page.locator("#summary")).to_contain_text("found", timeout=20_000)
    assert page.evaluate("document.querySelector('#canvas').width") > 100
    page.click("#camera")
    assert page.inner_text("#camera") == "Use the camera"


def test_a_token_is_asked_for(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery")
    with serving(tmp_path, "--workers", "1", "--token-file", tmp_path / "token") as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("#token")
        page.fill("#token", "correct-horse-battery")
        page.press("#token", "Tab")
        playwright.expect(page.locator("#model option")).to_have_count(1, timeout=20_000)
        page.set_input_files("#file", PICTURE)
        page.wait_for_selector("#found tbody tr")
        assert "Bearer" in page.inner_text("#code")
        page.close()


@pytest.mark.parametrize("installed", [True, False], ids=["with packages", "without"])
def test_the_page_in_the_browser_is_linked_where_it_is(tmp_path: Path, installed: bool) -> None:
    copy = tmp_path / "checkout"
    for folder in ("runtime", "weights"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("recipe", "__pycache__"))
    web = copy / "samples" / "web"
    web.mkdir(parents=True)
    (web / "index.html").write_text("the detector in the browser")
    if installed:
        (web / "node_modules").mkdir()
    token = tmp_path / "token"
    token.write_text("correct-horse-battery")
    with serving(tmp_path, "--workers", "1", "--token-file", token, root=copy) as server:
        linked = b'href="/web/"' in server.ask("/")[1]
        status, content = server.ask("/web/")
        assert (linked, status) == ((True, 200) if installed else (False, 404))
        assert (content == b"the detector in the browser") is installed
        for path in (
            "/web/../../pyproject.toml",
            "/web/%2e%2e/%2e%2e/weights/codes.onnx",
            "/web//etc/passwd",
        ):
            assert server.ask(path)[0] == 404


def test_the_page_in_the_browser(server: Server, browser: Any) -> None:
    if not (ROOT / "samples" / "web" / "node_modules").is_dir():
        pytest.skip("samples/web is without its packages; tests/web/test_web.py fetches them")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url)
    page.get_by_role("link", name="In the browser").click()
    page.wait_for_url("**/web/")
    page.locator("#try_sample").click()
    playwright.expect(page.locator("#found li").first).to_be_visible(timeout=60_000)
    assert page.evaluate("crossOriginIsolated")
    page.close()
    assert not problems


def test_the_documentation(server: Server, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}/docs")
    page.get_by_text("/v2/models/{name}/infer").wait_for()
    page.close()
