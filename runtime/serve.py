"""The command `python -m runtime.serve`: models behind an address, for the clients that exist."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from .command.options import positive
from .command.run import run
from .engines.load import DEVICES
from .errors import InputError

if TYPE_CHECKING:
    from .service.server import Address

EXAMPLES = """
examples:
  python -m runtime.serve                        the model that finds printed codes, at http://127.0.0.1:8000
  python -m runtime.serve yolov5n.onnx --workers 2
  python -m runtime.serve models/ --host 0.0.0.0 --token-file token.txt --tls-cert c.pem --tls-key k.pem
  python -m runtime.serve export-triton models/ triton/

  curl http://127.0.0.1:8000/v2/health/ready     is it there? The page at / shows how to ask it

exit codes: 0 ended as told, every accepted request answered; 2 nothing served: wrong usage, port or model.
"""
NEEDED = (
    "fastapi",
    "uvicorn",
    "httptools",
    "grpc",
    "prometheus_client",
    "tritonclient.grpc",
    "swagger_ui_bundle",
)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m runtime.serve",
        description="Serve models over HTTP and gRPC: Open Inference Protocol (KServe, Triton) and "
        "TensorFlow Serving's dialect. A folder is a repository: NAME/VERSION/model.onnx, or NAME.onnx.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "models",
        nargs="?",
        type=Path,
        metavar="MODELS",
        help="a model file or a repository (default: the embedded model)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    add("--http-port", type=_port, default=8000, metavar="N", help="0: any free one (default: %(default)s)")
    add("--grpc-port", type=_port, default=8001, metavar="N", help="0: any free one (default: %(default)s)")
    add("--token-file", type=Path, metavar="FILE", help="clients must bring the bearer token in this file")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which clients call this server without a token, besides its addresses and "
        "this machine's name, or * for any; may be given several times",
    )
    add(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="certificate chain, PEM; with --tls-key: HTTPS and gRPC over TLS",
    )
    add("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")

    add = parser.add_argument_group("work").add_argument
    add(
        "--workers",
        type=positive,
        metavar="N",
        help="requests at work at once, each with a network of its own (default: one for each core)",
    )
    add("--device", default="cpu", metavar="NAME", help=f"{', '.join(DEVICES)} (default: cpu)")
    add(
        "--poll",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds between looks for new models; 0: never (default: %(default)s)",
    )

    add = parser.add_argument_group("limits").add_argument
    add(
        "--max-body-mb", type=positive, default=32, metavar="N", help="largest request (default: %(default)s)"
    )
    add(
        "--max-pixels",
        type=positive,
        default=50_000_000,
        metavar="N",
        help="largest picture (default: %(default)s)",
    )
    add(
        "--queue",
        type=positive,
        default=64,
        metavar="N",
        help="requests that may wait for a worker (default: %(default)s)",
    )
    add(
        "--timeout",
        type=positive,
        default=60,
        metavar="S",
        help="seconds that a request may take (default: %(default)s)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["export-triton"]:
        from .service import triton

        return run(triton.parse, triton.export, arguments[1:])
    return run(parse, serve, arguments)


def serve(options: argparse.Namespace) -> int:
    """Do what the options say until the process is told to end; returns 0. Raises DetectorError."""
    _keep_standard_error_open()
    for module in NEEDED:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(
                f"serving needs more packages: pip install 'yolov5-dnn[serve]' ({error})"
            ) from error
    from .service.log import log_as_json
    from .service.server import Address, serve
    from .service.service import Limits, Service

    if (options.tls_cert is None) != (options.tls_key is None):
        raise InputError("--tls-cert and --tls-key belong together")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = options.workers or (cores if options.device == "cpu" else 1)
    cv2.setNumThreads(max(1, cores // workers))
    log_as_json(logging.WARNING)
    address = Address(
        options.host,
        options.http_port,
        options.grpc_port,
        _read_token(options.token_file) if options.token_file else "",
        options.allow_host,
        options.tls_cert,
        options.tls_key,
    )
    limits = Limits(options.max_body_mb << 20, options.max_pixels, options.queue, options.timeout)
    service = Service(options.models, workers, limits, {"device": options.device})
    scheme = "https" if options.tls_cert else "http"

    def started(http_port: int, grpc_port: int) -> None:
        models = ", ".join(f"{model.name} {model.number}" for model in service.repository.ready)
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(
            f"{models} at {scheme}://{host}:{http_port}, gRPC at {host}:{grpc_port}; Ctrl-C ends", flush=True
        )
        print(_who_may(address), flush=True)

    _run_loop(serve(service, address, options.poll, started))
    return 0


def _who_may(address: Address) -> str:
    """Say what is open to whom."""
    if address.local:
        who = "this machine's users" + (" with the token" if address.token else "")
        return f"Open to {who}: sending pictures, loading and unloading models"
    if address.token:
        return "Open with the token: sending pictures, loading and unloading models; to everybody: health"
    return (
        f"Open to everybody who reaches {address.host}: sending pictures; loading and unloading models needs "
        "--token-file"
    )


def _keep_standard_error_open() -> None:
    """Open the null device where standard error is closed: a client's connection would take its number."""
    if sys.stderr is None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        if null != 2:
            os.close(null)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run it in uvloop, which takes half the time, or in asyncio where there is none, as on Windows."""
    try:
        run_loop = importlib.import_module("uvloop").run
    except ImportError:
        run_loop = asyncio.run
    run_loop(work)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no token: {error}") from error
    if not 16 <= len(token) <= 4096 or not token.isprintable():
        raise InputError(f"{path} holds no token: 16 letters of ASCII at least, on one line")
    return token


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
