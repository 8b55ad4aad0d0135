"""Commands over HTTP: who may, what is refused, and once is once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pitwire.board.commands import at_door, serve_commands, within
from pitwire.board.gate import TOKEN_HEADER
from pitwire.board.hub import Hub
from pitwire.board.server import LARGEST, BoardServer
from pitwire.desk.control import Ask, Told
from pitwire.model.clock import SECOND, SystemClock, since_boot
from tests.board.watching import FakeSource, Watching, watching

KEY = "0123456789abcdef"
GOOD = {"do": "halt", "key": KEY, "reason": "enough"}


@pytest.fixture(autouse=True)
def _guesses_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.board.server.GUESS_SECONDS", 0.0)


def live(tale: Callable[[Watching, list[Ask]], Awaitable[None]], told: Told | None) -> list[Ask]:
    asked: list[Ask] = []

    async def obey(ask: Ask) -> Told | None:
        asked.append(ask)
        return told

    async def life() -> None:
        async with (
            watching(prepare=lambda server: serve_commands(server, {"": obey})) as place,
            asyncio.timeout(120),
        ):
            await tale(place, asked)

    asyncio.run(life())
    return asked


async def post(
    place: Watching, body: Any, token: str | None = None, **headers: str
) -> tuple[int, str]:
    sent = {"Content-Type": "application/json", **headers}
    sent[TOKEN_HEADER] = place.server.gate.control if token is None else token
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    async with place.http.post(f"{place.server.url}command", data=data, headers=sent) as answer:
        return answer.status, await answer.text()


def test_a_command_is_carried_out_and_answered_in_the_desk_s_words() -> None:
    async def tale(place: Watching, _: list[Ask]) -> None:
        status, text = await post(place, GOOD)
        assert status == 200
        assert json.loads(text)["halted"] == "enough"
        async with place.socket(place.server.gate.control) as socket:
            assert (await place.frame(socket, "hello"))["rights"] == "control"

    [ask] = live(tale, Told(halted="enough"))
    assert ask == Ask(do="halt", by="board", reason="enough", key=f"board-{KEY}")


def test_a_command_goes_to_the_desk_that_it_names_and_to_no_other() -> None:
    asked: list[str] = []

    def obey_as(name: str) -> Any:
        async def obey(ask: Ask) -> Told | None:
            asked.append(name)
            return Told()

        return obey

    async def life() -> None:
        obeys = {"near": obey_as("near"), "far": obey_as("far")}
        async with watching(prepare=lambda server: serve_commands(server, obeys)) as place:
            assert (await post(place, {**GOOD, "desk": "far"}))[0] == 200
            for name in ("", "nobody", "<b>"):
                status, text = await post(place, {**GOOD, "desk": name})
                assert (status, text) == (400, f"desk: found {name!r}, expected one of near, far\n")

    asyncio.run(life())
    assert asked == ["far"]


def test_a_desk_that_does_not_answer_is_no_success() -> None:
    async def tale(place: Watching, _: list[Ask]) -> None:
        status, text = await post(place, GOOD)
        assert (status, text) == (504, "the desk has not answered\n")

    live(tale, None)


def test_nothing_is_carried_out_of_what_is_refused() -> None:
    async def tale(place: Watching, _: list[Ask]) -> None:
        gate = place.server.gate
        for token in ("", "0" * 64, gate.look):
            assert (await post(place, GOOD, token))[0] == 403
        for headers, status in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "evil.example"}, 421),
            ({"Content-Type": "text/plain"}, 415),
            ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ):
            assert (await post(place, GOOD, **headers))[0] == status, headers
        for body in (
            "", "{", "[]", "null", {"do": "halt"}, {**GOOD, "do": "sell"}, {**GOOD, "key": "x"},
            {**GOOD, "key": 7}, {**GOOD, "more": 1}, {**GOOD, "reason": "x" * 201},
            {**GOOD, "reason": None}, b"\xff\xfe", {**GOOD, "not_after": -1},
            {**GOOD, "not_after": "soon"}, {**GOOD, "do": "resume"}, {**GOOD, "do": "cancel"},
            {**GOOD, "do": "flatten", "not_after": 0},
        ):  # fmt: skip
            assert (await post(place, body))[0] == 400, body
        assert (await post(place, {**GOOD, "reason": "x" * LARGEST}))[0] == 413
        for verb in ("get", "put", "delete", "head"):
            async with place.http.request(
                verb, f"{place.server.url}command", headers={TOKEN_HEADER: gate.control}
            ) as answer:
                assert answer.status in (404, 405)

    assert live(tale, Told()) == []


def test_what_is_asked_is_given_up_when_the_page_gives_it_up() -> None:
    until = since_boot() + 8 * SECOND

    async def tale(place: Watching, _: list[Ask]) -> None:
        ask = {**GOOD, "do": "cancel", "order": "a", "not_after": until / 1e6}
        assert (await post(place, ask))[0] == 200

    [ask] = live(tale, Told())
    assert abs(ask.not_after - until) < SECOND / 1000


class FakeSwitchboard:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def note(self, ask: Ask) -> bool:
        return True

    def refuse(self, ask: Ask, why: str) -> None:
        self.done.append(f"refused {ask.do}: {why.split(':')[0]}")

    def halt(self, reason: str, by: str) -> None:
        self.done.append("halt")

    def flatten(self, reason: str, by: str) -> None:
        self.done.append("flatten")

    def resume(self, by: str) -> None:
        self.done.append("resume")

    def cancel(self, order_id: str, by: str) -> None:
        self.done.append("cancel")

    def told(self) -> Told:
        return Told()


class FakeDesk:
    """As much of a desk as commands have to do with."""

    def __init__(self) -> None:
        self.switchboard = FakeSwitchboard()


def test_a_desk_that_was_hung_does_only_what_somebody_still_waits_for() -> None:
    desk: Any = FakeDesk()
    obey = within(desk)

    async def life() -> None:
        now = since_boot()
        for until in (now - SECOND, now + 60 * SECOND):
            for do in ("cancel", "resume", "flatten", "halt"):
                told = await obey(Ask(do=do, key=f"{do} {until}", not_after=until))
                assert told is not None
                assert bool(told.error) == (until < now and do != "halt")

    asyncio.run(life())
    assert desk.switchboard.done == [
        "refused cancel: too late for this cancel",
        "refused resume: too late for this resume",
        "refused flatten: too late for this flatten",
        "halt",  # the one in a flatten is never too late
        "halt",
        "cancel",
        "resume",
        "flatten",
        "halt",
    ]


def test_at_another_s_door_it_is_waited_for_no_longer_than_the_board_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Ask] = []

    async def ask_desk(folder: Path, ask: Ask, *, within_seconds: float) -> Told | None:
        asked.append(ask)
        return None

    monkeypatch.setattr("pitwire.board.commands.ask_desk", ask_desk)
    obey = at_door(lambda: Path("nowhere"))
    now = since_boot()
    for until in (0, now + 60 * SECOND, now + 1):
        assert asyncio.run(obey(Ask(do="cancel", not_after=until))) is None
    assert [ask.not_after <= since_boot() + 5 * SECOND for ask in asked] == [True] * 3
    assert [ask.not_after > now for ask in asked] == [True] * 3
    assert asked[2].not_after == now + 1


def test_without_commands_the_token_for_control_only_looks() -> None:
    async def life() -> None:
        async with watching() as place, place.socket(place.server.gate.control) as socket:
            assert (await place.frame(socket, "hello"))["rights"] == "look"
            assert (await post(place, GOOD))[0] in (404, 405)

    asyncio.run(life())
    assert not BoardServer({"": Hub(FakeSource(), SystemClock())}, SystemClock()).acts
