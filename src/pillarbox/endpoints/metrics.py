"""/metrics, in the text format of Prometheus: what the tally counted, and what is so just now.

The exporter is prometheus-client with a registry for each scrape, loaded when somebody first asks. Names and labels are
those of METRICS, which docs/reference/metrics.md shows. No label holds an address of a person or of a client.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.core.tally import BOUNDS, Tally, Timing
from pillarbox.endpoints.api.access import who_asks
from pillarbox.endpoints.api.problems import problem_of
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.front import ORIGIN
from pillarbox.endpoints.proxies import Origin
from pillarbox.endpoints.smtp.peer import Networks, of_address

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name in Prometheus, what it is, its labels; `counted` is its name in the tally."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str
    counted: str = ""


METRICS: Final = (
    Metric("pillarbox_outbox_messages", "gauge", ("state",), "Messages that wait, by state."),
    Metric(
        "pillarbox_outbox_oldest_age_seconds",
        "gauge",
        ("state",),
        "Age of the oldest message that waits, counted from its `send_at` where it has one.",
    ),
    Metric("pillarbox_accepted_total", "counter", (), "Messages that were accepted.", "accepted"),
    Metric(
        "pillarbox_attempts_total",
        "counter",
        ("outcome", "cause"),
        "Attempts to send that ended: what they came to, and why.",
        "attempts",
    ),
    Metric(
        "pillarbox_final_total",
        "counter",
        ("state",),
        "Messages that came to a state in which they stay until a person acts, or for ever.",
        "final",
    ),
    Metric(
        "pillarbox_graph_request_seconds",
        "histogram",
        ("status",),
        "Requests to Microsoft Graph by HTTP status; `none`: no answer came.",
        "graph",
    ),
    Metric(
        "pillarbox_token_request_seconds",
        "histogram",
        ("status",),
        "Requests for tokens by HTTP status; `none`: no answer came.",
        "tokens",
    ),
    Metric("pillarbox_pauses", "gauge", ("scope", "cause"), "Pauses of sending that last now, by what they are for."),
    Metric("pillarbox_pauses_total", "counter", ("cause",), "Pauses of sending that began.", "pauses"),
    Metric(
        "pillarbox_credential_days_left",
        "gauge",
        ("app", "credential", "kind"),
        "Days until a credential ends; below 0 when it has. Credentials without a known end are left out.",
    ),
    Metric(
        "pillarbox_certificate_days_left",
        "gauge",
        ("listener",),
        "Days until the certificate of a listener ends, as it lies in its file; below 0 when it has.",
    ),
    Metric("pillarbox_smtp_connections", "gauge", (), "Connections of the SMTP door that are open."),
    Metric("pillarbox_smtp_sessions_total", "counter", (), "Connections that the SMTP door let in.", "smtp_sessions"),
    Metric(
        "pillarbox_smtp_refusals_total",
        "counter",
        ("code",),
        "Connections, logins and commands that the SMTP door refused.",
        "smtp_refusals",
    ),
    Metric("pillarbox_bans_total", "counter", (), "Addresses that were kept out after failed logins.", "bans"),
    Metric(
        "pillarbox_http_requests_total",
        "counter",
        ("method", "route", "status"),
        "Requests of the HTTP listener; `route` as the reference of the API writes it.",
        "http",
    ),
    Metric("pillarbox_events_total", "counter", (), "Events that were written, which the API's feed shows."),
    Metric("pillarbox_log_events_total", "counter", ("event", "level"), "Events of the log.", "log_events"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is so just now: the values of the metrics that no tally counts, by name and labels."""

    values: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)

    def put(self, name: str, value: float, *labels: str) -> None:
        """One value."""
        self.values.setdefault(name, {})[labels] = value

    def add(self, name: str, *labels: str) -> None:
        """One more."""
        of_name = self.values.setdefault(name, {})
        of_name[labels] = of_name.get(labels, 0) + 1


Measure = Callable[[Measured], Awaitable[None]]
"""Puts what is so just now. Raises Unavailable."""


class Metrics:
    """The application of /metrics, for peers in `networks` and for callers with the scope `metrics.read`."""

    def __init__(self, tally: Tally, measures: Sequence[Measure], networks: Sequence[str]) -> None:
        self._tally = tally
        self._measures = measures
        self._networks = Networks(networks)
        self._lock = asyncio.Lock()

    async def __call__(self, scope: "AsgiScope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        try:
            await self._let_in(Request(scope))
            answer = await self._answer()
        except PillarboxError as error:
            answer = problem_of(error, request_id=id_of(scope))
        await answer(scope, receive, send)

    async def _let_in(self, request: Request) -> None:
        """Raises AuthenticationFailed, Forbidden. What an untrusted proxy brings comes from anywhere."""
        origin: Origin = request.scope[ORIGIN]
        if origin.is_unclear or of_address(origin.address) not in self._networks:
            (await who_asks(request)).need(Scope.METRICS_READ)

    async def _answer(self) -> Response:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

        measured = Measured()
        # One at a time: who asks twice at once need not be told twice as fast.
        async with self._lock:
            for measure in self._measures:
                await measure(measured)
        return Response(generate_latest(_registry(self._tally, measured)), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _registry(tally: Tally, measured: Measured) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.registry import Collector

    class Ours(Collector):
        def collect(self) -> "Iterator[Family]":
            return (_family(metric, tally, measured) for metric in METRICS)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ours())
    ProcessCollector(registry=registry)
    return registry


def _family(metric: Metric, tally: Tally, measured: Measured) -> "Family":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    match metric.kind:
        case "histogram":
            timed = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, timing in _of(tally.timings, metric.counted).items():
                timed.add_metric(labels, _buckets(timing), timing.seconds)
            return timed
        case "counter":
            counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            counts = _of(tally.counts, metric.counted) if metric.counted else measured.values.get(metric.name, {})
            # What has no labels begins at 0; of the others nobody knows which there will be.
            for labels, count in (counts or ({} if metric.labels else {(): 0})).items():
                counter.add_metric(labels, count)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in measured.values.get(metric.name, {}).items():
                gauge.add_metric(labels, value)
            return gauge


def _of(counted: Mapping[tuple[str, ...], _T], name: str) -> dict[tuple[str, ...], _T]:
    """What is counted under a name, by labels. Of a copy, as threads add to it."""
    return {key[1:]: value for key, value in dict(counted).items() if key[0] == name}


def _buckets(timing: Timing) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each holds all that are below it."""
    total, found = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), timing.buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
