"""/metrics: what Prometheus reads. Triton's names for models, so that its boards work; our own."""

from collections.abc import Callable, Iterator, Mapping

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from zoo.operations.repository import list_tallies
from zoo.serving.figures import Reason, Tally
from zoo.serving.service import Service
from zoo.web.access import Need, needs
from zoo.web.context import current_service, current_zoo
from zoo.web.reference import tells
from zoo.web.traffic import Traffic, current_traffic

NS_PER_US = 1000
NS_PER_S = 1e9
MODEL = ("model", "version")
PENDING = "nv_inference_pending_request_count"
FAILURES = "nv_inference_request_failure"
# As Triton calls them, without the `_total` that counters end with elsewhere.
TALLIED: Mapping[str, tuple[str, Callable[[Tally], float]]] = {
    "nv_inference_request_success": ("Requests answered.", lambda one: one.success.count),
    "nv_inference_count": ("Pictures or inputs answered.", lambda one: one.inferences),
    "nv_inference_exec_count": ("Runs of sessions.", lambda one: one.executions),
    "nv_inference_request_duration_us": (
        "Microseconds that requests took in all.",
        lambda one: one.success.total_ns / NS_PER_US,
    ),
    "nv_inference_queue_duration_us": (
        "Microseconds that requests waited.",
        lambda one: one.queue.total_ns / NS_PER_US,
    ),
    "nv_inference_compute_input_duration_us": (
        "Microseconds of reading and preparing.",
        lambda one: one.input.total_ns / NS_PER_US,
    ),
    "nv_inference_compute_infer_duration_us": (
        "Microseconds of running sessions.",
        lambda one: one.infer.total_ns / NS_PER_US,
    ),
    "nv_inference_compute_output_duration_us": (
        "Microseconds of handing answers out.",
        lambda one: one.output.total_ns / NS_PER_US,
    ),
}

Tallies = Mapping[tuple[str, str], Tally]

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@needs(Need.ACCOUNT)
@tells("text/plain")
def get_metrics() -> ResponseReturnValue:
    """Tell what is counted, in the text that Prometheus reads.

    Of models, those that the caller may read; an account with the read role for `*` sees all.
    """
    service = current_service()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(_tallied(list_tallies(current_zoo(), service))))
    registry.register(_Collected(_held(service)))
    registry.register(_Collected(_asked(current_traffic())))
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Collected(Collector):
    """Metrics that were read just now."""

    def __init__(self, metrics: Iterator[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._metrics


def _tallied(tallies: Tallies) -> Iterator[Metric]:
    """Tell what was asked of models."""
    for name, (meaning, read) in TALLIED.items():
        metric = Metric(name, meaning, "unknown")
        for labels, tally in tallies.items():
            metric.add_sample(name, dict(zip(MODEL, labels, strict=True)), read(tally))
        yield metric
    yield _failures(tallies)
    pending = GaugeMetricFamily(PENDING, "Requests that wait or run.", labels=MODEL)
    for labels, tally in tallies.items():
        pending.add_metric(labels, tally.pending)
    yield pending


def _failures(tallies: Tallies) -> Metric:
    metric = Metric(FAILURES, "Requests not answered, by reason.", "unknown")
    for labels, tally in tallies.items():
        for reason in Reason:
            found = tally.failures.get(reason)
            told = dict(zip(MODEL, labels, strict=True)) | {"reason": reason.value}
            metric.add_sample(FAILURES, told, found.count if found else 0)
    return metric


def _asked(traffic: Traffic) -> Iterator[Metric]:
    """Tell what was asked over HTTP."""
    labels = ("method", "route", "status")
    requests = CounterMetricFamily("zoo_http_requests", "Requests answered.", labels=labels)
    seconds = CounterMetricFamily(
        "zoo_http_request_seconds", "Seconds until their answers began.", labels=labels
    )
    for key, spent in traffic.read().items():
        requests.add_metric(key, spent.requests)
        seconds.add_metric(key, spent.seconds)
    yield requests
    yield seconds


def _held(service: Service) -> Iterator[Metric]:
    """Tell what is held open and what waits."""
    stock, dispatcher = service.shelf.read(), service.desk.dispatcher
    yield GaugeMetricFamily("zoo_queue_pictures", "Pictures that wait.", value=dispatcher.waiting)
    yield GaugeMetricFamily(
        "zoo_queue_bytes", "Bytes of what waits.", value=dispatcher.waiting_bytes
    )
    yield GaugeMetricFamily(
        "zoo_predictors", "Predictors that are held open.", value=stock.predictors
    )
    yield GaugeMetricFamily("zoo_predictor_bytes", "Memory they take.", value=stock.size_bytes)
    yield CounterMetricFamily("zoo_loads", "Predictors loaded.", value=stock.loads)
    yield CounterMetricFamily(
        "zoo_loads_from_cache",
        "Of them, those whose optimised graph was there already.",
        value=stock.loads_from_cache,
    )
    yield CounterMetricFamily(
        "zoo_failed_loads", "Predictors that could not be loaded.", value=stock.failed_loads
    )
    yield CounterMetricFamily(
        "zoo_load_seconds", "Seconds that loading took.", value=stock.load_ns / NS_PER_S
    )
    yield CounterMetricFamily(
        "zoo_evictions", "Predictors closed for the room of others.", value=stock.evictions
    )
