"""The server on a real socket: who gets in, what is refused, and that nothing else happens."""

from __future__ import annotations

import asyncio
import socket as sockets
import tomllib
from contextlib import ExitStack
from importlib.metadata import distribution
from pathlib import Path

import aiohttp
import pytest

from pitwire.board.assets import BORROWED, CHARTS, Asset, Borrowed, borrowed_asset, missing_packages
from pitwire.board.gate import CONTROL, LOOK, TOKEN_HEADER, Gate, offered_token
from pitwire.board.hub import VIEWERS, Hub
from pitwire.board.opening import TOKEN_FILE, _token_file
from pitwire.board.server import CONNECTIONS, LARGEST, MISTAKES, BoardServer
from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError
from tests.board.watching import FakeSource, Watching, live, watching


@pytest.fixture(autouse=True)
def _guesses_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.board.server.GUESS_SECONDS", 0.0)


def test_a_snapshot_and_then_frames() -> None:
    async def tale(place: Watching) -> None:
        async with place.socket() as socket:
            hello = await place.frame(socket, "hello")
            assert hello["rights"] == LOOK
            whole = await place.look(socket, "A-B@1s")
            place.source.views["A-B@1s"].put("book", "asks", [["1.0"]])
            frame = await place.frame(socket)
            while "A-B@1s" not in frame["views"]:
                assert frame["previous"] >= whole["seq"]
                await socket.send_json({"do": "answer", "seq": frame["seq"]})
                frame = await place.frame(socket)
            assert frame["views"]["A-B@1s"]["tables"]["book"] == {"asks": [["1.0"]]}

    live(tale)


PATHS = ("", "live", "board.js", "lightweight-charts.js", "command")
FOREIGN = (
    ({"Host": "evil.example"}, 421),
    ({"Host": "evil.example:{port}"}, 421),
    ({"Host": "127.0.0.1"}, 421),
    ({"Host": "127.0.0.1:1"}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "https://127.0.0.1.evil.example:{port}"}, 403),
)


def test_a_foreign_host_or_origin_is_refused_everywhere() -> None:
    async def tale(place: Watching) -> None:
        port = place.server.url.rsplit(":", 1)[1].strip("/")
        for headers, status in FOREIGN:
            sent = {name: value.format(port=port) for name, value in headers.items()}
            sent[TOKEN_HEADER] = place.server.gate.control
            for path in PATHS:
                async with place.http.get(place.server.url + path, headers=sent) as answer:
                    assert answer.status == status
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with place.socket(place.server.gate.control, **sent):
                    pass
            assert refused.value.status == status
        assert not place.hub.viewers
        assert place.server.refusals == len(FOREIGN) * (len(PATHS) + 1)

    live(tale)


@pytest.mark.parametrize("token", ["", "0" * 64, "look", "é", "x" * 3000])
def test_no_token_no_frames(token: str) -> None:
    async def tale(place: Watching) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with place.socket(token.encode("ascii", "ignore").decode()):
                pass
        assert refused.value.status == 403
        assert not place.hub.viewers
        assert place.server.refusals == 1

    live(tale)


def test_the_token_is_offered_as_a_protocol_and_is_not_chosen() -> None:
    async def tale(place: Watching) -> None:
        async with place.socket() as socket:
            assert socket.protocol == "pitwire.board.1"

    live(tale)
    assert offered_token("pitwire.board.1, token.abc") == "abc"
    assert offered_token("pitwire.board.1") == ""


def test_tokens_are_new_for_each_run_and_differ() -> None:
    one, two = Gate(1), Gate(1)
    assert len({one.look, one.control, two.look, two.control}) == 4
    assert all(len(token) == 64 for token in (one.look, one.control))
    assert one.rights(two.control) == ""
    assert (one.rights(one.look), one.rights(one.control)) == (LOOK, CONTROL)


def test_every_answer_carries_the_policy() -> None:
    async def tale(place: Watching) -> None:
        for path in ("", "board.js", "board.css", "nothing.js", "lightweight-charts.js"):
            async with place.http.get(place.server.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "script-src 'self';" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"

    live(tale)


def test_no_file_is_served_but_the_page_and_two_scripts() -> None:
    async def tale(place: Watching) -> None:
        for path in ("../gate.py", "..%2Fgate.py", "%2e%2e/gate.py", "__init__.py", "static/", "x"):
            async with place.http.get(place.server.url + path) as answer:
                assert answer.status == 404

    live(tale)


MISTAKEN = (
    "", "{", "null", "[]", '{"do":"halt"}', '{"do":"look","views":"A"}',
    '{"do":"look","views":["' + "x" * 65 + '"]}', '{"do":"answer","seq":"1"}',
)  # fmt: skip


def test_what_is_not_understood_is_said_and_changes_nothing() -> None:
    async def tale(place: Watching) -> None:
        for said in MISTAKEN[:4], MISTAKEN[4:]:
            async with place.socket() as socket:
                await place.look(socket, "A-B@1s")
                for text in said:
                    await socket.send_str(text)
                    refused = await place.frame(socket, "refused")
                    assert refused["why"].startswith("not understood")
                await socket.send_json({"do": "all"})
                assert await place.frame(socket, "snapshot")

    live(tale)


def test_many_mistakes_or_a_large_message_end_the_connection_alone() -> None:
    async def tale(place: Watching) -> None:
        async with place.socket() as good, place.socket() as bad, place.socket() as large:
            await place.look(good, "A-B@1s")
            for _ in range(MISTAKES):
                await bad.send_str("?")
            await large.send_str("x" * (LARGEST + 1))
            for socket in (bad, large):
                async with asyncio.timeout(60):
                    while not (await socket.receive()).type.name.startswith("CLOS"):
                        pass
            await good.send_json({"do": "all"})
            assert await place.frame(good, "snapshot")

    live(tale)


def test_an_unknown_symbol_is_refused_with_those_that_are_known() -> None:
    async def tale(place: Watching) -> None:
        async with place.socket() as socket:
            await socket.send_json({"do": "look", "views": ["<img src=x>@1s"]})
            refused = await place.frame(socket, "refused")
            assert "expected one of A-B, C-D" in refused["why"]

    live(tale)


def test_only_so_many_may_look() -> None:
    async def tale(place: Watching) -> None:
        held = [await place.socket() for _ in range(VIEWERS)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.socket()
        assert refused.value.status == 503
        await held.pop().close()
        while place.hub.is_full:
            await asyncio.sleep(0.01)
        await (await place.socket()).close()
        for socket in held:
            await socket.close()

    live(tale)


def test_a_flood_of_connections_is_dropped_and_the_rest_goes_on() -> None:
    async def tale(place: Watching) -> None:
        host, port = "127.0.0.1", int(place.server.url.rsplit(":", 1)[1].strip("/"))
        async with place.socket() as socket:
            await place.look(socket, "A-B@1s")
            flood = [await asyncio.open_connection(host, port) for _ in range(200)]
            # What came too late hears the end at once; what was let in hears nothing.
            hearing = [asyncio.ensure_future(reader.read(1)) for reader, _ in flood]
            async with asyncio.timeout(60):
                while sum(one.done() for one in hearing) < 200 - CONNECTIONS:
                    await asyncio.sleep(0.01)
            assert not any(one.result() for one in hearing if one.done())
            for one in hearing:
                one.cancel()
            await socket.send_json({"do": "all"})
            assert await place.frame(socket, "snapshot")
            for _, writer in flood:
                writer.close()

    live(tale)


def test_a_port_that_is_taken_is_refused_by_name() -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        clock = SystemClock()

        async def life() -> None:
            await BoardServer({"": Hub(FakeSource(), clock)}, clock, port=port).open()

        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            asyncio.run(life())


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    clock = SystemClock()
    server = BoardServer({"": Hub(FakeSource(), clock)}, clock, port=port)
    with pytest.raises(ConfigError, match=f"board port: found {port}, expected 0 to 65535"):
        asyncio.run(server.open())


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.0.1"])
def test_it_stands_on_this_machine_and_nowhere_else(host: str) -> None:
    clock = SystemClock()
    server = BoardServer({"": Hub(FakeSource(), clock)}, clock, host=host)
    with pytest.raises(ConfigError, match="SSH tunnel"):
        asyncio.run(server.open())


def test_the_chart_script_is_the_one_that_was_tried() -> None:
    found = borrowed_asset(CHARTS)
    assert isinstance(found, Asset)
    assert b"TradingView Lightweight Charts" in found.body[:200]
    assert b"Apache License" in found.body[:400]
    assert distribution("lwcharts").version == "0.3.0"


def test_another_script_of_that_name_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    known = BORROWED[CHARTS]
    monkeypatch.setitem(BORROWED, CHARTS, Borrowed(known.package, known.path, "0" * 64))
    assert "another lightweight-charts.js" in str(borrowed_asset(CHARTS))
    monkeypatch.setitem(BORROWED, CHARTS, Borrowed("no-such-package", known.path))
    assert "pip install 'pitwire[board]'" in str(borrowed_asset(CHARTS))


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_packages() == []
    monkeypatch.setitem(BORROWED, CHARTS, Borrowed("no-such-package", "script.js"))
    assert missing_packages() == ["no-such-package"]


def test_what_make_board_installs_is_the_extra(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extra = {name.partition(">")[0] for name in project["optional-dependencies"]["board"]}
    lines = (repository / "requirements" / "board.in").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} == extra
    pinned, all_pinned = (
        {
            line
            for line in (repository / "requirements" / name).read_text().split("\n")
            if "==" in line
        }
        for name in ("board.txt", "dev.txt")
    )
    assert pinned <= all_pinned


def test_a_board_that_closes_leaves_the_token_of_another(tmp_path: Path) -> None:
    with ExitStack() as second:
        with _token_file(tmp_path, "first"):
            second.enter_context(_token_file(tmp_path, "second"))
        assert (tmp_path / TOKEN_FILE).read_text() == "second"
    assert not (tmp_path / TOKEN_FILE).exists()


def test_each_desk_of_a_board_has_a_picture_of_its_own() -> None:
    async def life() -> None:
        async with watching(more=("far",)) as place, asyncio.timeout(120):
            far = place.server.hubs["far"]
            async with place.socket() as socket, place.socket(query="?desk=far") as other:
                assert (await place.frame(socket, "hello"))["desk"] == ""
                hello = await place.frame(other, "hello")
                assert (hello["desk"], hello["desks"]) == ("far", ["", "far"])
                assert len(place.hub.viewers) == len(far.viewers) == 1
                seen = (await place.look(socket, "A-B@1s"))["common"]["tables"]["desk"]["looks"]
                assert seen > 0
                far.source.common.put("desk", "far", 1)
                far.tick(place.server._clock.now())
                snapshot = await place.look(other, "A-B@1s")
                assert snapshot["common"]["tables"]["desk"] == {"far": 1}
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await place.socket(query="?desk=nobody")
            assert refused.value.status == 404

    asyncio.run(life())
