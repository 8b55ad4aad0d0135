"""What is logged, how it reads, and that no secret is in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.desk import interactions
from pitwire.desk.interactions import GROUPS, InteractionLog
from pitwire.desk.masking import Masker
from pitwire.model import events
from pitwire.model.clock import SECOND, timestamp
from pitwire.model.credentials import Credentials
from pitwire.model.orders import CancelOrder, Side, UpdateKind
from pitwire.trading import journal

Make = Callable[..., InteractionLog]
NOW = 1_700_000_000 * SECOND + 1_002_003
QUOTE = events.Quote("binance", "BTC-USDT", 0, NOW, 1.0, 1.0, 2.0, 1.0)
OPENED = events.Opened("binance", "", 0, NOW, link="market-1", attempt=1)


def lines(log: InteractionLog) -> list[dict[str, Any]]:
    log.flush()
    return [json.loads(line) for line in log.path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def make(path: Path) -> Iterator[Callable[..., InteractionLog]]:
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(InteractionLog(path, **options))


def test_events_become_lines_with_what_happened_and_no_more(path: Path, make: Make) -> None:
    log = make()
    log.note_all(
        [
            OPENED,
            QUOTE,
            events.Update("binance", "BTC-USDT", 5, NOW, "id-1", "77", UpdateKind.ACCEPTED),
            events.Fill(
                "binance", "BTC-USDT", 5, NOW, "id-1", "77", "9", Side.BUY,
                Decimal("100.10"), Decimal("0.5"), Decimal("0.0005"), "BTC", maker=False,
            ),
        ]
    )  # fmt: skip
    opened, update, fill = lines(log)
    assert opened == {
        "time": "2023-11-14T22:13:20.001002003Z",
        "group": "connection",
        "kind": "Opened",
        "venue": "binance",
        "venue_time": 0,
        "received": NOW,
        "link": "market-1",
        "attempt": 1,
    }
    assert update["group"] == "order"
    assert "price" not in update
    assert (fill["group"], fill["price"], fill["maker"]) == ("fill", "100.10", False)
    assert log.written == 3


def test_every_session_and_account_event_has_a_group() -> None:
    assert {*events.SESSION, *events.ACCOUNT} - set(GROUPS) == set()


def test_prices_are_not_logged() -> None:
    assert set(GROUPS) & {events.Quote, events.Trade, events.BookDelta, events.Bar} == set()


def test_a_journals_records_join_by_their_type(path: Path, make: Make) -> None:
    class Triggered(msgspec.Struct, frozen=True):
        at: int
        rule: str
        detail: dict[str, Decimal]

    log = make(groups={**GROUPS, Triggered: "trigger"})
    log.note(Triggered(NOW, "dip", {"price": Decimal("1.50")}))
    [line] = lines(log)
    assert line["time"] == timestamp(NOW)
    assert (line["group"], line["kind"], line["rule"]) == ("trigger", "Triggered", "dip")
    assert line["detail"] == {"price": "1.50"}


def test_it_is_a_journal(path: Path, make: Make) -> None:
    log: journal.Journal = make()
    log.write(journal.Came(at=NOW, event=OPENED))
    log.write(journal.Halted(at=NOW, reason="enough", by="person"))
    log.write(journal.DayStarted(at=NOW, day=1))
    cancel = CancelOrder(order_id="id-1", symbol="BTC-USDT", rule="dip")
    log.write(journal.Decided(at=NOW, command=cancel))
    assert isinstance(log, InteractionLog)
    opened, halted, decided = lines(log)
    assert (opened["group"], opened["kind"], opened["link"]) == ("connection", "Opened", "market-1")
    assert (halted["group"], halted["by"]) == ("error", "person")
    assert "record" not in halted
    assert decided["group"] == "trigger"
    assert decided["command"]["kind"] == "CancelOrder"


def test_what_is_no_event_can_be_said(path: Path, make: Make) -> None:
    log = make()
    log.say("handshake", "Refused", NOW, url="wss://h/?signature=abc", status=403, time="x")
    assert lines(log) == [
        {
            "time": timestamp(NOW),
            "group": "handshake",
            "kind": "Refused",
            "url": "wss://h/?signature=***",
            "status": 403,
        }
    ]


@pytest.mark.parametrize(("choice", "expected"), [("none", []), ("sampled", [3, 6]), ("full", 7)])
def test_frames_none_sampled_or_full(path: Path, make: Make, choice: Any, expected: Any) -> None:
    log = make(frames=choice, sample_every=3)
    buffer = bytearray(b'{"n":0}')
    for number in range(7):
        buffer[5] = ord("1") + number
        log.frame("market-1", "in", memoryview(buffer), NOW)
    assert log.wants_frames is (choice != "none")
    numbers = [line["number"] for line in lines(log)]
    assert numbers == (list(range(1, 8)) if expected == 7 else expected)
    if choice == "sampled":
        assert lines(log)[0]["frame"] == '{"n":3}'


def test_nothing_is_written_before_it_is_due(path: Path, make: Make) -> None:
    log = make(flush_after_seconds=1.0)
    log.flush_due(NOW)
    log.note(OPENED)
    log.flush_due(NOW + SECOND - 1)
    assert path.read_bytes() == b""
    log.flush_due(NOW + SECOND)
    assert len(path.read_bytes().splitlines()) == 1


def test_what_waits_is_bounded(path: Path, make: Make) -> None:
    log = make(frames="full")
    for _ in range(interactions.PENDING):
        log.note(OPENED)
    assert log.written == interactions.PENDING
    log.frame("market-1", "in", bytes(interactions.PENDING_BYTES), NOW)
    assert log.written == interactions.PENDING + 1


def test_closing_writes_the_rest_once(path: Path, make: Make) -> None:
    told: list[object] = []
    log = make(told=told.append)
    log.note(OPENED)
    log.close()
    log.close()
    log.note(OPENED)
    log.flush()
    assert told == [OPENED]
    assert len(path.read_bytes().splitlines()) == 1


def test_a_full_disk_is_reported_once_and_stops_nothing(
    path: Path, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = make()

    def refuse(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(interactions.RotatingFile, "write", refuse)
    for _ in range(3):
        log.note(OPENED)
        log.flush()
    assert (log.written, log.refused) == (0, 3)
    assert caplog.text.count("No space left on device") == 1


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FORMS = st.sampled_from(["frame", "bytes", "excerpt", "reason", "said", "key", "list"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SECRETS, FORMS, st.integers(0, 80))
def test_no_planted_secret_reaches_the_file(tmp_path: Path, tail: str, form: str, cut: int) -> None:
    secret = f"planted{tail}end"
    path = tmp_path / "planted.jsonl"
    path.unlink(missing_ok=True)
    log = InteractionLog(path, frames="full", masker=Masker([Credentials(secret, "0123456789")]))
    frame = json.dumps({"id": 1, "params": {"apiKey": secret, "signature": "0123456789"}})
    match form:
        case "frame":
            log.frame("orders-1", "out", frame.encode(), NOW)
        case "bytes":
            log.say("frame", "Odd", NOW, body=b"\xff" + secret.encode())
        case "excerpt":
            log.note(events.Malformed("binance", "", 0, NOW, "trade", "$", frame[:cut]))
        case "reason":
            log.note(events.Lost("binance", "", 0, NOW, "orders-1", f"bad key {secret}!", 1.0))
        case "said":
            log.say("login", "Said", NOW, detail={"deep": [{"signature": secret}, secret]})
        case "key":
            log.say("login", "Said", NOW, detail={secret: 1})
        case "list":
            log.say("login", "Said", NOW, words=(secret, "other"))
    log.close()
    text = path.read_text()
    assert len([json.loads(line) for line in text.splitlines()]) == 1
    if not (form == "excerpt" and cut < frame.index("planted") + len(secret)):
        assert "planted" not in text
    assert "0123456789" not in text
    assert '"apiKey": "p' not in json.dumps(json.loads(text)).replace("\\", "")
