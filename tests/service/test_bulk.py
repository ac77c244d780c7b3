"""Bulk on Ray: every picture exactly once, whatever dies in between."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs Ray, which CI leaves out")
pq = pytest.importorskip("pyarrow.parquet", reason="needs Ray, which CI leaves out")

from paths import ROOT  # noqa: E402
from pictures import encode, quarters  # noqa: E402

from runtime import Detector  # noqa: E402
from runtime.inputs.image_file import read_image  # noqa: E402

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def bulk(*arguments: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "runtime.bulk", *map(str, arguments)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(output: Path) -> list[dict]:  # type: ignore[type-arg]
    return [row for file in sorted(output.glob("part-*.parquet")) for row in pq.read_table(file).to_pylist()]


def put_pictures(folder: Path, count: int) -> list[str]:
    """Make that many copies of a sample, each in a file of its own."""
    folder.mkdir()
    paths = [folder / f"{i:04}.jpg" for i in range(count)]
    for path in paths:
        shutil.copy(ROOT / "samples" / "parcel.jpg", path)
    return [str(path) for path in paths]


def test_what_is_found_and_going_on(tmp_path: Path) -> None:
    paths = put_pictures(tmp_path / "photos", 5)
    (tmp_path / "photos" / "deep").mkdir()
    (tmp_path / "photos" / "deep" / "quarters.png").write_bytes(encode(quarters(), ".png"))
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    output = tmp_path / "found"
    printed = bulk(tmp_path / "photos", "--output", output, "--part", "2", "--actors", "1", code=1)
    told = [line for line in printed.splitlines() if not line.startswith("[")]  # Ray's C++ has its own to say
    assert told[0] == "7 pictures, 0 of them done before"
    assert all(re.fullmatch(r"\d of 7(, 1 failed)?", line) for line in told[1:]), printed
    found = {row["path"]: row for row in rows(output)}
    assert len(found) == len(rows(output)) == 7
    expected = Detector()(read_image(Path(paths[0])))
    assert len(expected) >= 1
    assert [each["name"] for each in found[paths[0]]["found"]] == [each.name for each in expected]
    assert found[paths[0]]["found"][0]["box"] == pytest.approx(expected[0].box, abs=1e-3)
    deep = found[str(tmp_path / "photos" / "deep" / "quarters.png")]
    assert (deep["height"], deep["width"]) == quarters().shape[:2]
    assert len(deep["found"]) == len(Detector()(quarters()))
    assert "picture" in found[str(tmp_path / "photos" / "broken.jpg")]["error"]

    # Given again, there is nothing to do; with more pictures and one file lost, only those.
    assert "7 of them done before" in bulk(tmp_path / "photos", "--output", output)
    next(output.glob("part-*.parquet")).unlink()
    bulk(f"{tmp_path}/photos/00*.jpg", "--output", output, "--actors", "1")
    again = [row["path"] for row in rows(output)]
    assert len(again) == len(set(again))
    assert set(paths) <= set(again)


def test_a_node_that_dies_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    paths = put_pictures(tmp_path / "photos", 120)
    output = tmp_path / "found"
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        second = cluster.add_node(**node)
        cluster.wait_for_nodes()
        command = [sys.executable, "-m", "runtime.bulk", str(tmp_path / "photos"), "--output", str(output)]
        process = subprocess.Popen(
            [*command, "--part", "4", "--actors", "2", "--address", cluster.address],
            cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        end = time.monotonic() + 200
        while len(list(output.glob("part-*.parquet"))) < 4 and time.monotonic() < end:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        (name,) = [file.name for file in sorted(output.glob("part-*.parquet"))[:1]]
        (output / f".0123456789ab.{name}").write_bytes(b"PAR1 what a machine had begun when it died")
        cluster.remove_node(second, allow_graceful=False)
        assert len(list(output.glob("part-*.parquet"))) < 25, "the node died too late to prove anything"
        printed, _ = process.communicate(timeout=250)
        assert process.returncode == 0, printed
    finally:
        cluster.shutdown()
    assert sorted(row["path"] for row in rows(output)) == paths
    assert not list(output.glob(".*"))


def test_interrupted_and_given_again(tmp_path: Path) -> None:
    paths = put_pictures(tmp_path / "photos", 60)
    output = tmp_path / "found"
    command = [sys.executable, "-m", "runtime.bulk", str(tmp_path / "photos"), "--output", str(output)]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs behind them ignore it
    process = subprocess.Popen(
        [*command, "--part", "2", "--actors", "1"], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 200
    while len(list(output.glob("part-*.parquet"))) < 4 and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    before = len(rows(output))
    assert 8 <= before < 60
    assert f"60 pictures, {before} of them done before" in bulk(
        tmp_path / "photos", "--output", output, "--actors", "1"
    )
    assert sorted(row["path"] for row in rows(output)) == paths


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no-such-folder"], "there is no no-such-folder"),
        (["{folder}"], "there are no pictures"),
        (["{folder}", "--weights", "none.onnx"], "no model file"),
        (["ftp9://x"], "cannot be opened"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    printed = bulk(
        *[each.format(folder=tmp_path) for each in arguments], "--output", tmp_path / "out", code=2
    )
    assert sentence in printed
    assert printed.count("\n") == 1
