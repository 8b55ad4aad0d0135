"""Metrics: what Prometheus reads is what the desk's health says, by documented names."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pitwire.board.gate import TOKEN_HEADER
from pitwire.board.metrics import METRICS, exposition, samples, serve_metrics
from pitwire.desk.health import Health, HealthReport
from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.session.copies import LineHealth
from tests.board.watching import watching


@pytest.fixture(autouse=True)
def _guesses_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.board.server.GUESS_SECONDS", 0.0)


def health() -> HealthReport:
    kept = Health(0)
    for number in range(3):
        at = SECOND + number
        kept.note(events.Trade("v", 'A"-\n\\B', at, 2 * SECOND, 1.0, 1.0, Side.BUY, number))
    kept.note(events.Lost("v", "", 0, 3 * SECOND, "market-1", "cut", 0.5))
    kept.note(events.ClockOffset("v", "", 0, 3 * SECOND, 250_000_000, 1_000_000))
    lines = (LineHealth("market-1", True, 1, 6, 0, 0.25),)
    return kept.snapshot(10 * SECOND, lines=lines)


def read(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_a_scrape_says_what_the_report_says() -> None:
    report = health()
    found = read(exposition(samples(report)))
    labels = (("event", "Trade"), ("symbol", 'A"-\n\\B'), ("venue", "v"))
    assert found["pitwire_events_total", labels] == 3
    assert found["pitwire_silent_seconds", labels] == 8
    assert found["pitwire_losses_total", ()] == 1
    assert found["pitwire_clock_offset_seconds", ()] == 0.25
    assert found["pitwire_up_seconds", ()] == 10
    assert found["pitwire_connection_behind_seconds", (("connection", "market-1"),)] == 0.25
    assert found["pitwire_lag_seconds", (("quantile", "1"),)] == report.lag.largest / SECOND
    assert found["pitwire_well", ()] == 1


def test_what_is_not_known_is_left_out() -> None:
    found = read(exposition(samples(Health(0).snapshot(1))))
    assert not any(name.startswith(("pitwire_lag_", "pitwire_clock_offset")) for name, _ in found)


def test_every_metric_is_documented_and_every_panel_asks_for_one(repository: Path) -> None:
    page = (repository / "docs" / "board.md").read_text()
    assert [name for name in METRICS if f"`{name}`" not in page] == []
    grafana = json.loads((repository / "docs" / "board-grafana.json").read_text())
    asked = set()
    for panel in grafana["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(r"pitwire_[a-z_]+", target["expr"]))
    assert asked
    assert asked <= set(METRICS)


def test_metrics_and_healthz_need_a_token_and_say_when_the_desk_is_gone() -> None:
    told: list[HealthReport | None] = [health()]

    async def report() -> HealthReport | None:
        return told[0]

    async def life() -> None:
        async with watching(prepare=lambda server: serve_metrics(server, {"": report})) as place:
            for path in ("metrics", "healthz"):
                url = place.server.url + path
                async with place.http.get(url) as answer:
                    assert answer.status == 403
                for headers in (
                    {TOKEN_HEADER: place.server.gate.look},
                    {"Authorization": f"Bearer {place.server.gate.look}"},
                ):
                    async with place.http.get(url, headers=headers) as answer:
                        assert answer.status == 200
                        assert answer.headers["Content-Type"].startswith("text/plain")
            stale = Health(0)
            stale.note(events.FeedStale("v", "A-B", 0, 1, "trades", 5.0))
            for state, words in ((stale.snapshot(2), "stale: A-B trades"), (None, "not answered")):
                told[0] = state
                headers = {TOKEN_HEADER: place.server.gate.look}
                async with place.http.get(f"{place.server.url}healthz", headers=headers) as answer:
                    assert answer.status == 503
                    assert words in await answer.text()

    asyncio.run(life())


def test_of_several_desks_each_has_its_label_and_one_may_be_gone() -> None:
    async def here() -> HealthReport | None:
        return health()

    async def gone() -> HealthReport | None:
        return None

    async def life() -> None:
        reports = {"": here, "far": gone}
        async with watching(
            more=("far",), prepare=lambda server: serve_metrics(server, reports)
        ) as place:
            headers = {TOKEN_HEADER: place.server.gate.look}
            async with place.http.get(f"{place.server.url}metrics", headers=headers) as answer:
                assert answer.status == 200
                found = read(await answer.read())
            async with place.http.get(f"{place.server.url}healthz", headers=headers) as answer:
                assert answer.status == 503
                assert await answer.text() == "far: the desk has not answered\n"
        assert found["pitwire_desk_answers", (("desk", ""),)] == 1
        assert found["pitwire_desk_answers", (("desk", "far"),)] == 0
        assert found["pitwire_losses_total", (("desk", ""),)] == 1
        assert ("pitwire_losses_total", (("desk", "far"),)) not in found
        for name in ("", "far"):
            assert found["pitwire_board_viewers", (("desk", name),)] == 0

    asyncio.run(life())
