"""What is counted: for Prometheus at /metrics, and for the protocols' statistics."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from .access_log import AccessRecord, dropped_lines

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Statistics:
    """Counts and nanoseconds of one version, as Triton's statistics have them."""

    images: int = 0
    requests: int = 0
    failures: int = 0
    success_ns: int = 0
    failure_ns: int = 0
    last_ms: int = 0
    stages_ns: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Metrics:
    """The counters of one server. Its methods are for any thread."""

    def __init__(self, waiting: Callable[[], int], busy: Callable[[], int]) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory and processor time, on Linux
        labels = ("model", "version", "protocol")
        self._requests = Counter(
            "yolov5_dnn_requests", "Inference requests", [*labels, "status"], registry=self.registry
        )
        self._images = Counter("yolov5_dnn_images", "Pictures answered", labels[:2], registry=self.registry)
        self._seconds = Histogram(
            "yolov5_dnn_request_seconds", "From a request's last byte to its answer's first", labels,
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "yolov5_dnn_stage_seconds", "Time of a request in each stage", ["model", "version", "stage"],
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        Gauge("yolov5_dnn_queue", "Requests that wait for a worker", registry=self.registry).set_function(
            waiting
        )
        Gauge("yolov5_dnn_busy_workers", "Workers at work", registry=self.registry).set_function(busy)
        Gauge(
            "yolov5_dnn_log_lines_dropped",
            "Lines of the log that could not be written",
            registry=self.registry,
        ).set_function(dropped_lines)
        self._statistics: dict[tuple[str, str], Statistics] = defaultdict(Statistics)
        self._lock = threading.Lock()

    def count(self, record: AccessRecord) -> None:
        """Count an inference request that is over."""
        model, version = record.model, record.version  # of models that exist only: clients make up no labels
        self._requests.labels(model, version, record.protocol, record.status).inc()
        self._seconds.labels(model, version, record.protocol).observe(record.milliseconds / 1000)
        for stage, milliseconds in record.stages.items():
            self._stages.labels(model, version, stage).observe(milliseconds / 1000)
        if not model:
            return
        with self._lock:
            statistics = self._statistics[model, version]
            nanoseconds = int(record.milliseconds * 1e6)
            if record.status >= 400:
                statistics.failures += 1
                statistics.failure_ns += nanoseconds
                return
            statistics.requests += 1
            statistics.images += record.images
            statistics.success_ns += nanoseconds
            statistics.last_ms = int(time() * 1000)
            for stage, milliseconds in record.stages.items():
                statistics.stages_ns[stage] += int(milliseconds * 1e6)
        self._images.labels(model, version).inc(record.images)

    def statistics(self, model: str, version: str) -> Statistics:
        """Give the statistics of a version since the server started."""
        with self._lock:
            return self._statistics[model, version]


# Triton's words for the stages: what is done to the input, by the network, and for the output.
COMPUTE: Mapping[str, tuple[str, ...]] = {
    "queue": ("queue",),
    "compute_input": ("picture", "letterbox", "crop"),
    "compute_infer": ("forward",),
    "compute_output": ("decode", "nms", "softmax", "output"),
}


def triton_statistics(name: str, version: str, statistics: Statistics) -> dict[str, object]:
    """Give a version's statistics in Triton's form."""

    def duration(count: int, nanoseconds: int) -> dict[str, int]:
        return {"count": count, "ns": nanoseconds}

    stages = {
        word: duration(statistics.requests, sum(statistics.stages_ns.get(stage, 0) for stage in stages))
        for word, stages in COMPUTE.items()
    }
    return {
        "name": name,
        "version": version,
        "last_inference": statistics.last_ms,
        "inference_count": statistics.images,
        "execution_count": statistics.requests,
        "inference_stats": {
            "success": duration(statistics.requests, statistics.success_ns),
            "fail": duration(statistics.failures, statistics.failure_ns),
            **stages,
        },
        "batch_stats": [],
    }
