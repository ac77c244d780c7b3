"""The Open Inference Protocol over gRPC: Triton's whole service, on the stubs of its own client."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import ParseDict
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from .. import __version__
from . import v2
from .access_log import Call, write_line
from .app import EXTENSIONS
from .errors import RequestError, bad
from .messages import read_request, write_answer
from .metrics import triton_statistics
from .service import Service

T = TypeVar("T")
Context = Any  # grpc.aio.ServicerContext

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.RESOURCE_EXHAUSTED,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Rpc(service_pb2_grpc.GRPCInferenceServiceServicer):
    """The remote procedures, under the names that the protocol gives them."""

    def __init__(self, service: Service, token: str) -> None:
        self.service = service
        self.token = token.encode()

    async def ServerLive(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say that the server is there; needs no token."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say whether it takes requests; needs no token."""
        return pb.ServerReadyResponse(ready=self.service.ready)

    async def ServerMetadata(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give name, version and extensions."""
        answer = pb.ServerMetadataResponse(name="yolov5-dnn", version=__version__, extensions=EXTENSIONS)
        return await self._tell("ServerMetadata", context, lambda: answer)

    async def ModelReady(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say whether a model takes requests."""

        def look() -> Any:
            try:
                self.service.repository.find(request.name, request.version)
            except RequestError:
                return pb.ModelReadyResponse(ready=False)
            return pb.ModelReadyResponse(ready=True)

        return await self._tell("ModelReady", context, look)

    async def ModelMetadata(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Describe versions, input and outputs of a model."""

        def look() -> Any:
            repository = self.service.repository
            version = repository.find(request.name, request.version)
            described = v2.model_metadata(version, repository.versions(request.name))
            return ParseDict(described, pb.ModelMetadataResponse())

        return await self._tell("ModelMetadata", context, look)

    async def ModelConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give a model's configuration in Triton's words."""

        def look() -> Any:
            version = self.service.repository.find(request.name, request.version)
            config = v2.model_config(version, self.service.workers)
            return ParseDict({"config": config}, pb.ModelConfigResponse())

        return await self._tell("ModelConfig", context, look)

    async def ModelStatistics(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give the statistics of a model, or of all."""

        def look() -> Any:
            repository, figures = self.service.repository, self.service.metrics.statistics
            if request.version:
                versions = [repository.find(request.name, request.version)]
            else:
                versions = repository.versions(request.name) if request.name else repository.ready
            stats = [
                triton_statistics(v.name, str(v.number), figures(v.name, str(v.number))) for v in versions
            ]
            return ParseDict({"model_stats": stats}, pb.ModelStatisticsResponse())

        return await self._tell("ModelStatistics", context, look)

    async def RepositoryIndex(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List all models, in service or not."""

        def look() -> Any:
            entries = [entry._asdict() for entry in self.service.repository.index()]
            wanted = [entry for entry in entries if entry["state"] == "READY" or not request.ready]
            return ParseDict({"models": wanted}, pb.RepositoryIndexResponse())

        return await self._tell("RepositoryIndex", context, look)

    async def RepositoryModelLoad(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Load a model anew."""

        async def load() -> Any:
            if request.parameters:
                raise bad("models are loaded as they lie in the repository, without parameters")
            await self.service.change(lambda: self.service.repository.load(request.model_name))
            return pb.RepositoryModelLoadResponse()

        return await self._tell("RepositoryModelLoad", context, load)

    async def RepositoryModelUnload(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take a model out of service."""

        async def unload() -> Any:
            await self.service.change(lambda: self.service.repository.unload(request.model_name))
            return pb.RepositoryModelUnloadResponse()

        return await self._tell("RepositoryModelUnload", context, unload)

    async def ModelInfer(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Look at pictures."""
        call = _call("ModelInfer", context)
        return await self._tell(call, context, lambda: self._infer(request, context, call))

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:  # noqa: N802
        """Look at the frames of a stream; answers come in the requests' order.

        As many are under way as there are workers. A request that is refused is answered with the reason, and
        the stream goes on. When the server shuts down, it ends after the requests that were read.
        """
        await self._tell("ModelStreamInfer", context, lambda: None)
        under_way: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue(self.service.workers)

        async def answer(request: Any) -> Any:
            call = _call("ModelStreamInfer", context)
            try:
                return pb.ModelStreamInferResponse(infer_response=await self._infer(request, context, call))
            except RequestError as refusal:
                response = pb.ModelStreamInferResponse(error_message=refusal.text)
                response.infer_response.id = request.id
                return response
            finally:
                write_line(call.line())

        async def read() -> None:
            try:
                async for request in requests:
                    await under_way.put(asyncio.ensure_future(answer(request)))
            finally:
                await under_way.put(None)

        reading = asyncio.ensure_future(read())
        ending = asyncio.ensure_future(self.service.ending.wait())
        ending.add_done_callback(lambda _: reading.cancel())
        try:
            while (task := await under_way.get()) is not None:
                yield await task
        finally:
            ending.cancel()
            reading.cancel()
            while not under_way.empty():
                left = under_way.get_nowait()
                if left is not None:
                    left.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def SystemSharedMemoryStatus(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List no shared memory: clients' memory is not read here."""
        return await self._tell("SystemSharedMemoryStatus", context, pb.SystemSharedMemoryStatusResponse)

    async def SystemSharedMemoryRegister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Refuse shared memory."""
        return await self._tell("SystemSharedMemoryRegister", context, _no_shared_memory)

    async def SystemSharedMemoryUnregister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Do nothing: there is none."""
        return await self._tell(
            "SystemSharedMemoryUnregister", context, pb.SystemSharedMemoryUnregisterResponse
        )

    async def CudaSharedMemoryStatus(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List no shared memory."""
        return await self._tell("CudaSharedMemoryStatus", context, pb.CudaSharedMemoryStatusResponse)

    async def CudaSharedMemoryRegister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Refuse shared memory."""
        return await self._tell("CudaSharedMemoryRegister", context, _no_shared_memory)

    async def CudaSharedMemoryUnregister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Do nothing: there is none."""
        return await self._tell("CudaSharedMemoryUnregister", context, pb.CudaSharedMemoryUnregisterResponse)

    async def TraceSetting(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give no settings, take none: this server has the log instead."""
        return await self._tell(
            "TraceSetting", context, lambda: _no_settings(request, pb.TraceSettingResponse())
        )

    async def LogSettings(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give no settings, take none."""
        return await self._tell(
            "LogSettings", context, lambda: _no_settings(request, pb.LogSettingsResponse())
        )

    async def _infer(self, request: Any, context: Context, call: Call) -> Any:
        call.bytes_in = request.ByteSize()
        return await self.service.ask(
            call,
            request.model_name,
            request.model_version,
            lambda version: read_request(version, request),
            lambda version, answers: write_answer(version, request, answers),
            context.time_remaining(),
        )

    async def _tell(self, call: Call | str, context: Context, work: Callable[[], Any]) -> Any:
        """Let a client in that may come in, do the work, and tell the log about it."""
        if isinstance(call, str):
            call = _call(call, context)
        try:
            if self.token:
                given = dict(context.invocation_metadata() or ()).get("authorization", "")
                given = given if isinstance(given, bytes) else given.encode()
                if not hmac.compare_digest(given, b"Bearer " + self.token):
                    raise RequestError(401, "a bearer token is needed, and this is not it")
            answer = work()
            if isinstance(answer, Awaitable):
                answer = await answer
            call.bytes_out = answer.ByteSize() if answer is not None else 0
            return answer
        except RequestError as refusal:
            call.status, call.error = refusal.status, refusal.text
            trailing = (("retry-after", str(refusal.retry_after)),) if refusal.retry_after is not None else ()
            await context.abort(CODES.get(refusal.status, grpc.StatusCode.UNKNOWN), refusal.text, trailing)
        finally:
            if not call.milliseconds:
                call.end()
            write_line(call.line())


def _call(name: str, context: Context) -> Call:
    return Call("grpc", name, client=str(context.peer())[:100])


def _no_shared_memory() -> Any:
    raise RequestError(501, "this server reads no client's memory; send the picture")


def _no_settings(request: Any, answer: Any) -> Any:
    if any(values.ListFields() for values in request.settings.values()):
        raise RequestError(501, "this server has no such settings")
    return answer
