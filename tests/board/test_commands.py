"""Commands over HTTP: who may, what is refused, and once is once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pitwire.board.commands import serve_commands
from pitwire.board.gate import TOKEN_HEADER
from pitwire.board.hub import Hub
from pitwire.board.server import LARGEST, BoardServer
from pitwire.desk.control import Ask, Told
from pitwire.model.clock import SystemClock
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
            watching(prepare=lambda server: serve_commands(server, obey)) as place,
            asyncio.timeout(20),
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
            {**GOOD, "reason": None}, b"\xff\xfe",
        ):  # fmt: skip
            assert (await post(place, body))[0] == 400, body
        assert (await post(place, {**GOOD, "reason": "x" * LARGEST}))[0] == 413
        for verb in ("get", "put", "delete", "head"):
            async with place.http.request(
                verb, f"{place.server.url}command", headers={TOKEN_HEADER: gate.control}
            ) as answer:
                assert answer.status in (404, 405)

    assert live(tale, Told()) == []


def test_without_commands_the_token_for_control_only_looks() -> None:
    async def life() -> None:
        async with watching() as place, place.socket(place.server.gate.control) as socket:
            assert (await place.frame(socket, "hello"))["rights"] == "look"
            assert (await post(place, GOOD))[0] in (404, 405)

    asyncio.run(life())
    assert not BoardServer(Hub(FakeSource(), SystemClock()), SystemClock()).acts
