"""A server in a process of its own, for tests."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paths import ROOT

READY_SECONDS = 60  # two cores, and others at work on them


@dataclass
class Server:
    """A running server: its ports, its process and the file that its log goes to."""

    process: subprocess.Popen[str]
    http_port: int
    grpc_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def ask(self, path: str, body: bytes | dict[str, Any] | None = None, **headers: str) -> tuple[int, Any]:
        """Send a request; returns the status and the answer, read as JSON if it is that."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content

    def wait_for(self, path: str, status: int, seconds: float = 20) -> Any:
        """Ask until the answer has that status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            got, answer = self.ask(path)
            if got == status:
                return answer
            time.sleep(0.1)
        raise AssertionError(f"{path} did not come to {status}: {got} {answer}")

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def serving(folder: Path, *arguments: str | Path, root: Path = ROOT) -> Iterator[Server]:
    """Run a checkout's `runtime.serve` on free ports, until this is left; `folder` takes its log."""
    log = folder / f"log-{time.monotonic_ns()}.jsonl"
    command = [sys.executable, "-m", "runtime.serve", *map(str, arguments), "--http-port=0", "--grpc-port=0"]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=file, text=True)
    assert process.stdout
    try:
        line = process.stdout.readline()
        ports = re.search(r"http.*:(\d+), gRPC at .*:(\d+);", line)
        assert ports, f"the server did not start: {line}{log.read_text()}"
        yield Server(process, int(ports[1]), int(ports[2]), log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
