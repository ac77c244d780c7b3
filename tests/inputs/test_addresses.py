"""File names that FFmpeg takes for addresses: nothing connects, and the files are read as files."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from pictures import write_video

from runtime.inputs.frames import End, Frame, read_files
from runtime.inputs.sources import find_sources


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
@pytest.mark.parametrize("protocol", ["http", "tcp", "udp", "concat", "subfile"])
def test_a_file_that_is_called_like_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    clip = write_video(tmp_path / "clip.avi", 3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        name = {
            "concat": "concat:clip.avi|x.avi",
            "subfile": "subfile,,start,0,end,9,,:clip.avi",
        }.get(protocol, f"{protocol}:127.0.0.1:{port}?.avi")
        monkeypatch.chdir(tmp_path)
        shutil.copyfile(clip, name)
        clip.rename("clip")
        for argument in (".", name):
            found = find_sources([argument]).found
            assert [source.name for source in found] == [name]
            events = list(read_files(found))
            assert [type(event) for event in events] == [Frame] * 3 + [End]
        with pytest.raises(TimeoutError):
            server.accept()
