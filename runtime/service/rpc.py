"""The Open Inference Protocol over gRPC: Triton's whole service, on the stubs of its own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from google.protobuf.json_format import ParseDict
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from .. import __version__
from . import v2
from .access_log import AccessRecord, write_line
from .app import EXTENSIONS
from .errors import RequestError, bad_request
from .interceptor import IDLE_SECONDS, Context, Silent, abort, new_record
from .messages import read_request, write_response
from .metrics import triton_statistics
from .service import Service


class Rpc(service_pb2_grpc.GRPCInferenceServiceServicer):
    """The remote procedures, under the names that the protocol gives them."""

    def __init__(self, service: Service, silent: Silent) -> None:
        self.service = service
        self.silent = silent

    async def ServerLive(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say that the server is there; needs no token."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say whether it takes requests; needs no token."""
        return pb.ServerReadyResponse(ready=self.service.ready)

    async def ServerMetadata(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give name, version and extensions."""
        response = pb.ServerMetadataResponse(name="yolov5-dnn", version=__version__, extensions=EXTENSIONS)
        return await self._handle("ServerMetadata", context, lambda: response)

    async def ModelReady(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say whether a model takes requests."""

        def describe() -> Any:
            try:
                self.service.repository.find(request.name, request.version)
            except RequestError:
                return pb.ModelReadyResponse(ready=False)
            return pb.ModelReadyResponse(ready=True)

        return await self._handle("ModelReady", context, describe)

    async def ModelMetadata(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Describe versions, input and outputs of a model."""

        def describe() -> Any:
            repository = self.service.repository
            model = repository.find(request.name, request.version)
            metadata = v2.model_metadata(model, repository.versions(request.name))
            return ParseDict(metadata, pb.ModelMetadataResponse())

        return await self._handle("ModelMetadata", context, describe)

    async def ModelConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give a model's configuration in Triton's words."""

        def describe() -> Any:
            model = self.service.repository.find(request.name, request.version)
            config = v2.model_config(model, self.service.workers)
            return ParseDict({"config": config}, pb.ModelConfigResponse())

        return await self._handle("ModelConfig", context, describe)

    async def ModelStatistics(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give the statistics of a model, or of all."""

        def describe() -> Any:
            repository, figures = self.service.repository, self.service.metrics.statistics
            if request.version:
                versions = [repository.find(request.name, request.version)]
            else:
                versions = repository.versions(request.name) if request.name else repository.ready
            stats = [
                triton_statistics(v.name, str(v.number), figures(v.name, str(v.number))) for v in versions
            ]
            return ParseDict({"model_stats": stats}, pb.ModelStatisticsResponse())

        return await self._handle("ModelStatistics", context, describe)

    async def RepositoryIndex(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List all models, in service or not."""

        def describe() -> Any:
            entries = [entry._asdict() for entry in self.service.repository.index()]
            wanted = [entry for entry in entries if entry["state"] == "READY" or not request.ready]
            return ParseDict({"models": wanted}, pb.RepositoryIndexResponse())

        return await self._handle("RepositoryIndex", context, describe)

    async def RepositoryModelLoad(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Load a model anew."""

        async def load() -> Any:
            if request.parameters:
                raise bad_request("models are loaded as they lie in the repository, without parameters")
            await self.service.change(lambda: self.service.repository.load(request.model_name))
            return pb.RepositoryModelLoadResponse()

        return await self._handle("RepositoryModelLoad", context, load)

    async def RepositoryModelUnload(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take a model out of service."""

        async def unload() -> Any:
            await self.service.change(lambda: self.service.repository.unload(request.model_name))
            return pb.RepositoryModelUnloadResponse()

        return await self._handle("RepositoryModelUnload", context, unload)

    async def ModelInfer(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Run a model on pictures."""
        record = new_record("ModelInfer", context)
        return await self._handle(record, context, lambda: self._infer(request, context, record))

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:  # noqa: N802
        """Run a model on the frames of a stream; answers come in the requests' order.

        As many are under way as there are workers. A request that is refused is answered with the reason, and
        the stream goes on. It ends after IDLE_SECONDS without a request, and when the server shuts down,
        after the requests that were read.
        """
        await self._handle("ModelStreamInfer", context, lambda: None)
        under_way: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue(self.service.workers)

        async def respond(request: Any) -> Any:
            record = new_record("ModelStreamInfer", context)
            try:
                return pb.ModelStreamInferResponse(infer_response=await self._infer(request, context, record))
            except RequestError as refusal:
                response = pb.ModelStreamInferResponse(error_message=refusal.text)
                response.infer_response.id = request.id
                return response
            finally:
                write_line(record.line())

        async def read() -> None:
            try:
                while (request := await self.silent.next(requests, IDLE_SECONDS)) is not None:
                    await under_way.put(asyncio.ensure_future(respond(request)))
            finally:
                await under_way.put(None)

        reading = asyncio.ensure_future(read())
        ending = asyncio.ensure_future(self.service.ending.wait())
        ending.add_done_callback(lambda _: reading.cancel())
        try:
            while (task := await under_way.get()) is not None:
                yield await task
            with suppress(asyncio.CancelledError):
                await reading
        except RequestError as refusal:  # no message came
            await abort(context, refusal)
        finally:
            ending.cancel()
            reading.cancel()
            while not under_way.empty():
                left = under_way.get_nowait()
                if left is not None:
                    left.cancel()
            with suppress(asyncio.CancelledError, RequestError):
                await reading

    async def SystemSharedMemoryStatus(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List no shared memory: clients' memory is not read here."""
        return await self._handle("SystemSharedMemoryStatus", context, pb.SystemSharedMemoryStatusResponse)

    async def SystemSharedMemoryRegister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Refuse shared memory."""
        return await self._handle("SystemSharedMemoryRegister", context, _no_shared_memory)

    async def SystemSharedMemoryUnregister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Do nothing: there is none."""
        return await self._handle(
            "SystemSharedMemoryUnregister", context, pb.SystemSharedMemoryUnregisterResponse
        )

    async def CudaSharedMemoryStatus(self, request: Any, context: Context) -> Any:  # noqa: N802
        """List no shared memory."""
        return await self._handle("CudaSharedMemoryStatus", context, pb.CudaSharedMemoryStatusResponse)

    async def CudaSharedMemoryRegister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Refuse shared memory."""
        return await self._handle("CudaSharedMemoryRegister", context, _no_shared_memory)

    async def CudaSharedMemoryUnregister(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Do nothing: there is none."""
        return await self._handle(
            "CudaSharedMemoryUnregister", context, pb.CudaSharedMemoryUnregisterResponse
        )

    async def TraceSetting(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give no settings, take none: this server has the log instead."""
        return await self._handle(
            "TraceSetting", context, lambda: _no_settings(request, pb.TraceSettingResponse())
        )

    async def LogSettings(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Give no settings, take none."""
        return await self._handle(
            "LogSettings", context, lambda: _no_settings(request, pb.LogSettingsResponse())
        )

    async def _infer(self, request: Any, context: Context, record: AccessRecord) -> Any:
        record.bytes_in = request.ByteSize()
        return await self.service.infer(
            record,
            request.model_name,
            request.model_version,
            lambda model: read_request(model, request),
            lambda model, results: write_response(model, request, results),
            context.time_remaining(),
        )

    async def _handle(self, record: AccessRecord | str, context: Context, work: Callable[[], Any]) -> Any:
        """Do the work, end the call if it is refused, and write the log's line."""
        if isinstance(record, str):
            record = new_record(record, context)
        try:
            response = work()
            if isinstance(response, Awaitable):
                response = await response
            record.bytes_out = response.ByteSize() if response is not None else 0
            return response
        except RequestError as refusal:
            record.status, record.error = refusal.status, refusal.text
            await abort(context, refusal)
        finally:
            if not record.milliseconds:
                record.end()
            write_line(record.line())


def _no_shared_memory() -> Any:
    raise RequestError(501, "this server reads no client's memory; send the picture")


def _no_settings(request: Any, response: Any) -> Any:
    if any(values.ListFields() for values in request.settings.values()):
        raise RequestError(501, "this server has no such settings")
    return response
