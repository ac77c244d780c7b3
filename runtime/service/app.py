"""The service over HTTP: which address leads where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from .. import __version__
from . import openapi, predict, v1, v2
from .access_log import AccessRecord
from .errors import RequestError
from .json_text import read_json
from .metrics import triton_statistics
from .middleware import Budget, error_body, read_body, unless_disconnected, unpack
from .request import InferenceRequest
from .response import Arrays
from .served_model import ServedModel
from .service import Service

PAGE = Path(__file__).parent / "page"
# The page that runs the detector in the browser itself: in a checkout, once `npm ci` was run there.
WEB = Path(__file__).resolve().parents[2] / "samples" / "web"
WEB_LINK = '<a href="/web/">In the browser</a>'
EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
# The page's scripts and pictures are its own or made by itself; nothing comes from elsewhere.
POLICY = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; frame-ancestors 'none'"


def make_app(service: Service) -> FastAPI:
    """Make the application for a service; the Middleware belongs around it."""
    app = FastAPI(
        title="yolov5-dnn",
        version=__version__,
        description=openapi.SUMMARY,
        docs_url=None,
        redoc_url=None,
    )
    app.openapi_version = "3.0.3"  # the newest that the documentation page reads
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _http_exception)
    budget = Budget(service.limits)  # one for every address that takes a body
    _add_v2(app, service, budget)  # first, as routes are tried one after the other
    _add_server(app, service)
    _add_repository(app, service, budget)
    _add_v1(app, service, budget)
    app.mount("/page", StaticFiles(directory=PAGE))
    if has_web():
        app.mount("/web", _Isolated(directory=WEB, html=True))
    app.mount("/docs", StaticFiles(directory=swagger_ui_path))
    return app


def has_web() -> bool:
    """Whether the browser's own detector is there, with the packages that it needs."""
    return (WEB / "index.html").is_file() and (WEB / "node_modules").is_dir()


class _Isolated(StaticFiles):
    """Files of a page that nothing from elsewhere may join; only such pages may have threads."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cross-origin-opener-policy"] = "same-origin"
        response.headers["cross-origin-embedder-policy"] = "require-corp"
        return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    request.scope["record"].error = error.text
    request.scope["record"].status = error.status
    body, headers = error_body(error)
    return Response(body, error.status, headers)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"there is nothing at {request.url.path[:100]}" if error.status_code == 404 else str(error.detail)
    return JSONResponse({"error": text}, error.status_code, headers=error.headers)


def _add_server(app: FastAPI, service: Service) -> None:
    """Add the page, its documentation, health, metrics, and what the server says about itself."""

    html = (PAGE / "index.html").read_text("utf-8")
    html = html.replace("<!-- web -->", WEB_LINK if has_web() else "")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(html, headers={"content-security-policy": POLICY})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(PAGE / "icon.svg", media_type="image/svg+xml")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="yolov5-dnn",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/favicon.ico",
        )

    @app.get("/metrics", tags=["server"], summary="Figures for Prometheus")
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v2/health/live", tags=["server"], summary="Is the server there?")
    async def live() -> Response:
        return Response()

    @app.get("/v2/health/ready", tags=["server"], summary="Does it take requests?")
    async def ready() -> Response:
        return Response(status_code=200 if service.ready else 503)

    @app.get("/v2", tags=["server"], summary="Name, version and extensions")
    async def server() -> dict[str, Any]:
        return {"name": "yolov5-dnn", "version": __version__, "extensions": EXTENSIONS}


def _add_v2(app: FastAPI, service: Service, budget: Budget) -> None:
    """Add the Open Inference Protocol's models."""
    repository = service.repository

    @app.get("/v2/models/stats", tags=["V2"], summary="Statistics of all models")
    async def all_statistics() -> dict[str, Any]:
        return _statistics(service, repository.ready)

    async def infer(request: Request, name: str, number: str = "") -> Response:
        header_length = request.headers.get(v2.HEADER_LENGTH)
        kept: list[Any] = []

        def read(model: ServedModel, body: bytes) -> InferenceRequest:
            _expect_no_picture(request)
            inference, response_format = v2.read_request(model, body, header_length)
            kept.append(response_format)
            return inference

        def write(model: ServedModel, results: list[Arrays]) -> Response:
            body, json_length = v2.write_response(model, kept[0], results)
            if json_length is None:
                return Response(body, media_type="application/json")
            headers = {v2.HEADER_LENGTH: str(json_length), "content-type": "application/octet-stream"}
            return Response(body, headers=headers)

        return await _infer(service, budget, request, name, number, read, write)

    async def predict_pictures(request: Request, name: str, number: str = "") -> Response:
        kept: list[Any] = []

        def read(model: ServedModel, body: bytes) -> InferenceRequest:
            content_type = request.headers.get("content-type", "")
            kept.extend(predict.read_request(model, body, content_type, request.query_params))
            inference: InferenceRequest = kept[0]
            return inference

        def write(model: ServedModel, results: list[Arrays]) -> Response:
            if kept[1]:
                return Response(results[0]["annotated"][0], media_type="image/jpeg")
            return Response(v1.write_response(kept[0], True, results), media_type="application/json")

        return await _infer(service, budget, request, name, number, read, write)

    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{number}"):
        _add_inference(app, f"{prefix}/predict", predict_pictures, "pictures", openapi.PICTURES)
        _add_inference(app, f"{prefix}/infer", infer, "V2", openapi.INFER)

        @app.get(f"{prefix}/ready", tags=["V2"], summary="Does the model take requests?")
        async def model_ready(name: str, number: str = "") -> Response:
            repository.find(name, number)
            return Response()

        @app.get(f"{prefix}/config", tags=["V2"], summary="The model's configuration, in Triton's words")
        async def config(name: str, number: str = "") -> dict[str, Any]:
            return v2.model_config(repository.find(name, number), service.workers)

        @app.get(f"{prefix}/stats", tags=["V2"], summary="Statistics of a model")
        async def statistics(name: str, number: str = "") -> dict[str, Any]:
            one = repository.find(name, number)
            return _statistics(service, [one] if number else repository.versions(name))

        @app.get(prefix, tags=["V2"], summary="Versions, input and outputs of a model")
        async def metadata(name: str, number: str = "") -> dict[str, Any]:
            return v2.model_metadata(repository.find(name, number), repository.versions(name))


def _add_inference(
    app: FastAPI, path: str, endpoint: Callable[..., Awaitable[Response]], tag: str, body: dict[str, Any]
) -> None:
    """Add an address that takes pictures.

    A plain route answers: FastAPI's own, there for the documentation, is slow.
    """

    async def respond(request: Request) -> Response:
        return await endpoint(request, **request.path_params)

    app.add_route(path, respond, methods=["POST"], include_in_schema=False)
    app.add_api_route(
        path, endpoint, methods=["POST"], tags=[tag], summary="Run the model on pictures",
        response_model=None, openapi_extra=body,
    )  # fmt: skip


def _statistics(service: Service, models: list[ServedModel]) -> dict[str, Any]:
    figures = service.metrics.statistics
    return {
        "model_stats": [
            triton_statistics(v.name, str(v.number), figures(v.name, str(v.number))) for v in models
        ]
    }


def _add_repository(app: FastAPI, service: Service, budget: Budget) -> None:
    """Add the extension that loads and unloads models."""
    repository = service.repository

    async def parameters(request: Request) -> dict[str, Any]:
        with budget.body() as take:
            body = await read_body(request.receive, dict(request.headers), 1 << 16, take)
        return read_json(body) if body.strip() else {}

    @app.post("/v2/repository/index", tags=["repository"], summary="All models, in service or not")
    async def index(request: Request) -> list[dict[str, str]]:
        only_ready = (await parameters(request)).get("ready") is True
        entries = [entry._asdict() for entry in repository.index()]
        return [entry for entry in entries if entry["state"] == "READY" or not only_ready]

    @app.post("/v2/repository/models/{name}/load", tags=["repository"], summary="Load a model anew")
    async def load(request: Request, name: str) -> Response:
        if v2.parameters_of(await parameters(request)):
            raise RequestError(400, "models are loaded as they lie in the repository, without parameters")
        await service.change(lambda: repository.load(name))
        return Response()

    @app.post("/v2/repository/models/{name}/unload", tags=["repository"], summary="Take it out of service")
    async def unload(request: Request, name: str) -> Response:
        await parameters(request)
        await service.change(lambda: repository.unload(name))
        return Response()


def _add_v1(app: FastAPI, service: Service, budget: Budget) -> None:
    """Add TensorFlow Serving's addresses."""
    repository = service.repository

    async def predict(request: Request, name: str, number: str = "") -> Response:
        kept: list[Any] = []

        def read(model: ServedModel, body: bytes) -> InferenceRequest:
            _expect_no_picture(request)
            inference, by_instance = v1.read_request(model, body)
            kept.extend((inference, by_instance))
            return inference

        def write(model: ServedModel, results: list[Arrays]) -> Response:
            inference, by_instance = kept
            return Response(v1.write_response(inference, by_instance, results), media_type="application/json")

        return await _infer(service, budget, request, name, number, read, write)

    @app.get("/v1/models", tags=["V1"], summary="Names of the models")
    async def models() -> dict[str, Any]:
        return {"models": sorted({model.name for model in repository.ready})}

    for prefix in ("/v1/models/{name}", "/v1/models/{name}/versions/{number}"):
        _add_inference(app, f"{prefix}:predict", predict, "V1", openapi.PREDICT)

        @app.get(f"{prefix}/metadata", tags=["V1"], summary="The model's signature")
        async def metadata(name: str, number: str = "") -> dict[str, Any]:
            return v1.metadata(repository.find(name, number))

        @app.get(prefix, tags=["V1"], summary="State of a model's versions")
        async def status(name: str, number: str = "") -> dict[str, Any]:
            one = repository.find(name, number)
            return v1.status([one] if number else repository.versions(name))


def _expect_no_picture(request: Request) -> None:
    """Raise RequestError 415 for a picture or a form where JSON or binary tensors belong."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "multipart/form-data":
        raise RequestError(415, "this takes JSON; send a picture's file as it is to /v2/models/NAME/predict")


async def _infer(
    service: Service,
    budget: Budget,
    request: Request,
    name: str,
    number: str,
    read: Callable[[ServedModel, bytes], InferenceRequest],
    write: Callable[[ServedModel, list[Arrays]], Response],
) -> Response:
    """Read a request's body, and answer it unless the client goes."""
    record: AccessRecord = request.scope["record"]
    service.repository.find(name, number)  # before anything is read
    limit = service.limits.body_bytes
    with budget.body() as take:
        body = await read_body(request.receive, dict(request.headers), limit, take)
        record.bytes_in = len(body)
        encoding = request.headers.get("content-encoding", "").lower()
        work = service.infer(
            record, name, number, lambda model: read(model, unpack(body, encoding, limit)), write
        )
        return await unless_disconnected(request.receive, work)
