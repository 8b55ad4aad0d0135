"""`/metrics` for Prometheus and `/healthz` for whoever restarts things, from the desk's own health.

House rules: every name, unit and label is in `METRICS`, and the docs are made of it; durations are
seconds; counters only grow; what is not known is left out, never 0; where a board shows several
desks, each has a label of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from pitwire.board.hub import Hub
from pitwire.board.server import BoardServer
from pitwire.desk.health import HealthReport, Spread
from pitwire.model.clock import SECOND

Report = Callable[[], Awaitable[HealthReport | None]]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_QUANTILES = (("0.5", "p50"), ("0.99", "p99"), ("1", "largest"))


class Metric(NamedTuple):
    """One name, what it counts, and its labels."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()


METRICS = {
    "pitwire_up_seconds": Metric("gauge", "Since the desk was opened, s"),
    "pitwire_well": Metric("gauge", "1 while every book and every feed can be used"),
    "pitwire_events_total": Metric(
        "counter", "Events of one kind of one symbol", ("venue", "symbol", "event")
    ),
    "pitwire_silent_seconds": Metric(
        "gauge", "Since the last event of this kind, s", ("venue", "symbol", "event")
    ),
    "pitwire_stream_lag_seconds": Metric(
        "gauge", "Venue time to our border, since the start, s",
        ("venue", "symbol", "event", "quantile"),
    ),
    "pitwire_lag_seconds": Metric("gauge", "The same over all streams, s", ("quantile",)),
    "pitwire_dials_total": Metric("counter", "Connection attempts"),
    "pitwire_losses_total": Metric("counter", "Connections that broke"),
    "pitwire_reconnects_total": Metric("counter", "Connections that came back"),
    "pitwire_rolls_total": Metric("counter", "Connections that gave way to others as planned"),
    "pitwire_gaps_total": Metric("counter", "Books that missed something"),
    "pitwire_trade_gaps_total": Metric("counter", "Trades that never came, by ranges"),
    "pitwire_backfilled_total": Metric("counter", "Trades that came by another way"),
    "pitwire_audits_total": Metric("counter", "Books held against a fresh snapshot"),
    "pitwire_audit_differences_total": Metric("counter", "Audits that found a wrong book"),
    "pitwire_malformed_total": Metric("counter", "Frames that could not be used"),
    "pitwire_unhandled_total": Metric("counter", "Messages of a kind that we do not know"),
    "pitwire_rejected_total": Metric("counter", "Requests that the venue refused"),
    "pitwire_unanswered_total": Metric("counter", "Requests that got no answer in time"),
    "pitwire_dropped_total": Metric("counter", "Events that a slow reader's stream dropped"),
    "pitwire_lagging_total": Metric("counter", "Times that something held everything up"),
    "pitwire_clock_alarms_total": Metric("counter", "Times that clocks were found to disagree"),
    "pitwire_stale_books": Metric("gauge", "Books that must not be used now"),
    "pitwire_stale_feeds": Metric("gauge", "Subscriptions that should speak and do not"),
    "pitwire_clock_offset_seconds": Metric("gauge", "Venue time minus ours, s"),
    "pitwire_clock_error_seconds": Metric("gauge", "How wrong that may have been, s"),
    "pitwire_connection_up": Metric("gauge", "1 while this connection stands", ("connection",)),
    "pitwire_connection_behind_seconds": Metric(
        "gauge", "Behind the fastest copy, s", ("connection",)
    ),
    "pitwire_desk_answers": Metric("gauge", "1 while this desk of several answers"),
    "pitwire_board_viewers": Metric("gauge", "Who looks at the board"),
    "pitwire_board_frames_total": Metric("counter", "Frames made"),
    "pitwire_board_busy_seconds_total": Metric("counter", "What making them has cost, s"),
    "pitwire_board_failures_total": Metric("counter", "Looks that went wrong"),
    "pitwire_board_refusals_total": Metric("counter", "Requests that did not pass the gate"),
}  # fmt: skip
_PLAIN = (
    "dials", "losses", "reconnects", "rolls", "gaps", "trade_gaps", "backfilled", "audits",
    "audit_differences", "malformed", "unhandled", "rejected", "unanswered", "dropped", "lagging",
    "clock_alarms",
)  # fmt: skip

Sample = tuple[str, tuple[str, ...], float]
"""Name, values of its labels, value."""


def samples(report: HealthReport) -> Iterator[Sample]:
    """Everything that a report says, by name."""
    yield "pitwire_up_seconds", (), report.up_seconds
    yield "pitwire_well", (), float(report.well)
    for stream in report.streams:
        labels = stream.venue, stream.symbol, stream.event
        yield "pitwire_events_total", labels, stream.count
        yield "pitwire_silent_seconds", labels, stream.silent_seconds
        yield from _spread("pitwire_stream_lag_seconds", labels, stream.lag)
    yield from _spread("pitwire_lag_seconds", (), report.lag)
    for name in _PLAIN:
        yield f"pitwire_{name}_total", (), getattr(report, name)
    yield "pitwire_stale_books", (), len(report.stale_books)
    yield "pitwire_stale_feeds", (), len(report.stale_feeds)
    if report.clock_offset is not None:
        yield "pitwire_clock_offset_seconds", (), report.clock_offset / SECOND
    if report.clock_error is not None:
        yield "pitwire_clock_error_seconds", (), report.clock_error / SECOND
    for line in report.lines:
        yield "pitwire_connection_up", (line.name,), float(line.stands)
        yield "pitwire_connection_behind_seconds", (line.name,), line.behind_seconds


def _spread(name: str, labels: tuple[str, ...], spread: Spread) -> Iterator[Sample]:
    if spread.count:
        for quantile, field in _QUANTILES:
            yield name, (*labels, quantile), getattr(spread, field) / SECOND


def board_samples(hub: Hub) -> Iterator[Sample]:
    """What the board says of itself."""
    yield "pitwire_board_viewers", (), len(hub.viewers)
    yield "pitwire_board_frames_total", (), hub.frames
    yield "pitwire_board_busy_seconds_total", (), hub.busy_seconds
    yield "pitwire_board_failures_total", (), hub.failures


def exposition(found: Iterator[Sample], *more: str) -> bytes:
    """Samples as Prometheus reads them; raises `ModuleNotFoundError` without prometheus-client.

    `more` are the names of labels that each sample has before those of its metric.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    families: dict[str, Any] = {}
    for name, labels, value in found:
        metric = METRICS[name]
        family = families.get(name)
        if family is None:
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = families[name] = make(name, metric.help, labels=(*more, *metric.labels))
        family.add_metric(labels, value)

    class Once:
        def collect(self) -> Iterator[Any]:
            yield from families.values()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


def serve_metrics(server: BoardServer, reports: Mapping[str, Report]) -> None:
    """Answer `/metrics` and `/healthz`, both to whoever has a token of this run."""

    async def asked(request: web.Request) -> dict[str, HealthReport | None]:
        await server.rights(request)
        answers = await asyncio.gather(*(report() for report in reports.values()))
        return dict(zip(reports, answers, strict=True))

    async def metrics(request: web.Request) -> web.StreamResponse:
        found = await asked(request)
        alone = len(found) == 1
        if alone and None in found.values():
            return web.Response(status=503, text="the desk has not answered\n")
        try:
            body = exposition(_all(found, server, alone), *(() if alone else ("desk",)))
        except ModuleNotFoundError:
            text = "prometheus-client is not installed: pip install 'pitwire[board]'\n"
            return web.Response(status=501, text=text)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def healthz(request: web.Request) -> web.StreamResponse:
        found = await asked(request)
        troubles = [
            f"{name}: {why}" if name else why
            for name, report in found.items()
            if (why := _trouble(report))
        ]
        status, text = (503, "\n".join(troubles)) if troubles else (200, "well")
        return web.Response(status=status, text=f"{text}\n")

    server.add("GET", "/metrics", metrics)
    server.add("GET", "/healthz", healthz)


def _trouble(report: HealthReport | None) -> str:
    if report is None:
        return "the desk has not answered"
    if report.well:
        return ""
    return f"stale: {', '.join((*report.stale_books, *report.stale_feeds))}"


def _all(
    found: Mapping[str, HealthReport | None], server: BoardServer, alone: bool
) -> Iterator[Sample]:
    for name, report in found.items():
        desk = () if alone else (name,)
        if not alone:
            yield "pitwire_desk_answers", desk, float(report is not None)
        parts = [] if report is None else [samples(report)]
        for part in (*parts, board_samples(server.hubs[name])):
            for metric, labels, value in part:
                yield metric, (*desk, *labels), value
    yield "pitwire_board_refusals_total", () if alone else ("",), server.refusals
