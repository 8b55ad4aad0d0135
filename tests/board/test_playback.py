"""A board on what is played: marked, harmless, and the journal is the same to the byte."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.board.gate import PROTOCOL, TOKEN_HEADER
from pitwire.board.opening import Board
from pitwire.board.playback import Baton, Playback, PlayedFeed
from pitwire.board.tail import Tail
from pitwire.cli.main import main
from pitwire.desk.desk import Desk
from pitwire.desk.playing import play
from pitwire.model.errors import ConfigError
from pitwire.tape.reader import Tape
from tests.desk.test_playing import played, recorded

VIEW = "BTC-USDT@1s"


def test_two_threads_never_have_the_desk_at_once() -> None:
    baton, looked, torn = Baton(), [0], []
    desk = [0, 0]

    def looks() -> None:
        while looked[0] < 200:
            with baton.look():
                torn.append(desk[0] != desk[1])
                looked[0] += 1

    looker = threading.Thread(target=looks)
    baton.take()
    looker.start()
    while looked[0] < 200:
        desk[0] += 1
        desk[1] += 1
        baton.offer()
    baton.give()
    looker.join()
    assert not any(torn)
    assert len(torn) == 200


class Visited(Playback):
    """A board that somebody looks at from the beginning, and asks everything of in the end."""

    def __init__(self) -> None:
        self.board: Board | None = None
        self.found: dict[str, Any] = {}
        super().__init__(self._note, stay_seconds=0.0)

    def _note(self, board: Board) -> None:
        self.board = board

    def ended(self) -> None:
        visit = threading.Thread(target=lambda: asyncio.run(self._visit()))
        with self.baton.aside():
            visit.start()
            visit.join()
        super().ended()

    async def _visit(self) -> None:
        assert self.board is not None
        gate, url = self.board.server.gate, self.board.server.url
        protocols = (PROTOCOL, f"token.{gate.control}")
        async with aiohttp.ClientSession() as http, asyncio.timeout(120):
            async with http.ws_connect(f"{url}live", protocols=protocols) as seen:
                while not self.found.get("views") or "orders" not in self.found["tables"]:
                    message = await seen.receive_json()
                    if message["kind"] == "hello":
                        self.found["rights"] = message["rights"]
                        await seen.send_json({"do": "look", "views": [VIEW]})
                    if message["kind"] == "snapshot":
                        self.found |= {**message, "tables": message["common"]["tables"]}
                        await seen.send_json({"do": "look", "views": [VIEW]})
            halt = {"do": "halt", "key": "0123456789abcdef"}
            headers = {TOKEN_HEADER: gate.control}
            async with http.get(f"{url}figures", headers=headers) as answer:
                self.found["figures"] = await answer.json()
            async with http.post(f"{url}command", json=halt, headers=headers) as answer:
                self.found["command"] = answer.status


def test_a_board_on_a_replay_is_marked_and_changes_nothing(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=4)
    plain, _ = played(tmp_path)
    with Visited() as seen:
        result, _ = played(tmp_path, onlooker=seen)
    assert (result.digest, result.records) == (plain.digest, plain.records)
    assert result.desk is not None
    found, desk = seen.found, seen.found["tables"]["desk"]
    assert found["rights"] == "look", "there is nothing to command"
    assert found["command"] in (404, 405)
    titles = [one["title"] for one in found["figures"]["figures"]]
    assert "Trigger audit" in titles, found["figures"]
    assert not found["figures"].get("trouble")
    assert (desk["played"], desk["limit"]) == ("playing", 0)
    assert 0 < desk["replay"] - Tape(tmp_path).meta.started / 1e6 < 60_000
    assert found["views"][VIEW]["tables"]["book"]["bids"]
    assert set(found["tables"]["orders"]) >= set(result.desk.timings.orders)


class Looking:
    """Looks after every record, and twice when all is over: then the recording's time stands."""

    feed: PlayedFeed | None = None

    def __init__(self) -> None:
        self.journal = Tail()
        self.during: list[str] = []

    def opened(self, desk: Desk) -> None:
        self.feed = PlayedFeed(desk, self.journal, Baton(), mask=str)

    def look(self) -> None:
        if self.feed is not None and not self.feed.is_over:
            self.during.append(self.played())

    def played(self) -> str:
        assert self.feed is not None
        for _ in self.feed.steps(1):
            pass
        return str(self.feed.common.tables["desk"]["played"])

    def rest(self, seconds: float) -> None:
        raise AssertionError("it is played without a pause")

    def ended(self) -> None:
        assert self.feed is not None
        self.feed.is_over = True
        self.played()
        self.after = self.played()


def test_the_end_is_told_although_the_time_of_the_recording_goes_no_further(
    tmp_path: Path,
) -> None:
    recorded(tmp_path, seconds=2)
    looking = Looking()
    result, _ = played(tmp_path, onlooker=looking)
    assert set(looking.during) == {"playing"}
    assert looking.after == "over"
    assert looking.feed is not None
    assert result.desk is not None
    assert set(looking.feed.common.tables["orders"]) >= set(result.desk.timings.orders)


def test_a_port_that_is_taken_ends_it_with_one_clear_word(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"127.0.0.1:{port}"),
            Playback(lambda board: None, port=port) as onlooker,
        ):
            play(Tape(tmp_path), onlooker=onlooker)


def test_as_it_is_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, seconds=1)
    assert main(["replay", str(tmp_path), "--board", "--seconds", "0"]) == 0
    text = capsys.readouterr().out
    assert text.count("http://127.0.0.1:") == 2
    assert "journal " in text
    refused = ["replay", str(tmp_path), "--board", "--rules", str(tmp_path / "other.toml")]
    assert main(refused) != 0
    assert "played twice" in capsys.readouterr().err
