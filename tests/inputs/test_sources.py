"""From arguments to sources."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runtime.inputs.sources import Kind, Source, find_sources


def found(*arguments: str | Path) -> list[Source]:
    """Find sources where all arguments lead to some."""
    sources, problems, _ = find_sources([str(argument) for argument in arguments])
    assert problems == []
    return sources


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_files_are_pictures_or_videos_by_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a b.JPG", "电影.Mp4", "no suffix")
    sources = found(tmp_path / "a b.JPG", tmp_path / "电影.Mp4", tmp_path / "no suffix")
    assert [source.kind for source in sources] == [Kind.IMAGE, Kind.VIDEO, Kind.IMAGE]
    assert [source.stem for source in sources] == ["a b", "电影", "no suffix"]
    assert sources[0].target == tmp_path / "a b.JPG"
    assert sources[0].name == str(tmp_path / "a b.JPG")


def test_a_folder_gives_what_it_holds_itself_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.jpg", "c.avi", "notes.txt", "sub/d.jpg")
    (tmp_path / "e.jpg").mkdir()
    assert [source.stem for source in found(tmp_path)] == ["a", "b", "c"]


def test_patterns_are_expanded_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "2.jpg", "1.jpg", "1.txt", "deep/er/3.jpg")
    assert [source.stem for source in found(tmp_path / "*")] == ["1", "2"]
    assert [source.stem for source in found(tmp_path / "?.jpg")] == ["1", "2"]
    assert [source.stem for source in found(tmp_path / "**" / "*.jpg")] == ["1", "2", "3"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "scan[1].jpg", "scan1.jpg")
    assert [source.stem for source in found(tmp_path / "scan[1].jpg")] == ["scan[1]"]


def test_numbers_are_cameras_and_urls_are_streams_or_videos() -> None:
    camera, stream, video = found("0", "rtsp://10.0.0.5:554/live", "https://host/clips/Day.MP4?x=1")
    assert (camera.kind, camera.target, camera.name, camera.stem) == (Kind.LIVE, 0, "camera 0", "camera0")
    assert (stream.kind, stream.target) == (Kind.LIVE, "rtsp://10.0.0.5:554/live")
    assert stream.stem == "10.0.0.5_554_live"
    assert video.kind is Kind.VIDEO
    assert video.target == "https://host/clips/Day.MP4?x=1"
    assert video.stem == "host_clips_Day"


def test_a_password_is_used_but_not_shown() -> None:
    (source,) = found("rtsp://admin:s3cret@10.0.0.5/live")
    assert source.target == "rtsp://admin:s3cret@10.0.0.5/live"
    assert source.name == "rtsp://admin:***@10.0.0.5/live"
    assert "s3cret" not in source.name + source.stem


@pytest.mark.skipif(sys.platform != "linux", reason="devices are files on Linux")
def test_a_device_is_a_camera() -> None:
    (source,) = found("/dev/null")  # a character device that every machine has
    assert (source.kind, source.target, source.stem) == (Kind.LIVE, "/dev/null", "null")


def test_no_two_sources_share_a_stem(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "b/x.png", "b/X-2.jpg", "c/X.mp4")
    sources = found(tmp_path / "a", tmp_path / "b", tmp_path / "c", tmp_path / "a")
    stems = [source.stem for source in sources]
    assert stems[0] == "x"
    assert len({stem.casefold() for stem in stems}) == len(stems) == 5


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("missing.jpg", "no such file or folder"),
        ("empty", "no pictures or videos in this folder"),
        ("*.png", "no picture or video matches"),
        ("http://[broken/x", "not a valid URL"),
        ("nul\0byte.jpg", "no such file"),
        ("", "empty source"),
    ],
)
def test_what_leads_nowhere_is_told_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "good.jpg")
    (tmp_path / "empty").mkdir()
    sources, problems, _ = find_sources([argument, "good.jpg"])
    assert [source.name for source in sources] == ["good.jpg"]
    assert len(problems) == 1
    assert argument.replace("\0", "\\x00") in problems[0]
    assert reason in problems[0]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    sources, problems, _ = find_sources([str(tmp_path)])
    assert sources == []
    assert problems == [f"{tmp_path}: Permission denied"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")
def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    sources, problems, _ = find_sources([str(tmp_path / "pipe.jpg")])
    assert sources == []
    assert "neither a file nor a folder" in problems[0]


def test_subfolders_are_looked_into_when_asked_for(tmp_path: Path) -> None:
    touch(tmp_path / "in", "b.jpg", "a.png", "notes.txt", ".hidden.txt", "._b.jpg")
    touch(tmp_path / "in" / "sub" / "deep", "c.jpg", "b.jpg", "labels.csv")
    touch(tmp_path / "in" / ".git", "x.jpg")
    plain = find_sources([str(tmp_path / "in")])
    assert [source.stem for source in plain.found] == ["a", "b"]
    assert plain.left_out == {"other file": 1, "subfolder": 1}
    deep = find_sources([str(tmp_path / "in")], recursive=True)
    assert [source.stem for source in deep.found] == ["a", "b", "b-2", "c"]
    assert deep.left_out == {"other file": 2}
    pattern = find_sources([str(tmp_path / "in" / "*")])
    assert [source.stem for source in pattern.found] == ["a", "b"]
    assert pattern.left_out == {"other file": 1}


def test_a_folder_of_folders_names_the_option(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "sub", "c.jpg")
    _, problems, _ = find_sources([str(tmp_path / "in")])
    assert problems == [
        f"{tmp_path / 'in'}: no pictures or videos in this folder; --recursive looks into its subfolders"
    ]
