"""The desk's door for people, over a real socket in a folder of its own."""

from __future__ import annotations

import asyncio
import re
import stat
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from pitwire.desk import control as module
from pitwire.desk.control import LONGEST_LINE, Ask, Control, Told
from pitwire.model.errors import ConfigError, StateError
from tests import unhurried

ask_desk = partial(module.ask_desk, within_seconds=60.0)
"""As patient as a busy machine demands."""


class Desk:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.did: list[tuple[str, ...]] = []
        self.halted = ""
        self.noted: list[tuple[str, str]] = []
        self.before: set[str] = set()
        """Keys of an earlier run."""
        self.stands = ""
        self.refused: list[tuple[str, str]] = []

    def note(self, ask: Ask) -> bool:
        self.noted.append((ask.do, ask.by))
        return ask.key not in self.before

    def refuse(self, ask: Ask, why: str) -> None:
        self.refused.append((ask.do, why))

    def halt(self, reason: str, by: str) -> None:
        self.did.append(("halt", reason, by))
        self.halted = reason

    def flatten(self, reason: str, by: str) -> None:
        self.did.append(("flatten", reason, by))

    def resume(self, by: str) -> None:
        if self.stands:
            raise StateError(verb="resume", state=self.stands, expected="it mended")
        self.did.append(("resume", by))
        self.halted = ""

    def cancel(self, order_id: str, by: str) -> None:
        if order_id != "pw-1-1":
            raise StateError(verb="cancel", state="no open order", expected="one")
        self.did.append(("cancel", order_id, by))

    def told(self) -> Told:
        return Told(halted=self.halted, open=("pw-1-1",))


def visit(folder: Path, tale: Callable[[Desk, Control], Awaitable[None]]) -> Desk:
    desk = Desk()

    async def life() -> None:
        control = Control(folder, desk)
        await control.open()
        try:
            await tale(desk, control)
        finally:
            await control.close()

    asyncio.run(life())
    return desk


def test_a_halt_is_carried_out_before_it_is_answered(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        told = await ask_desk(tmp_path, Ask(do="halt", reason="enough", by="eve"))
        assert desk.did == [("halt", "enough", "eve")]
        assert told == Told(halted="enough", open=("pw-1-1",))
        told = await ask_desk(tmp_path, Ask(do="resume", by="eve"))
        assert told is not None
        assert told.halted == ""
        assert await ask_desk(tmp_path, Ask(do="status")) == told

    assert visit(tmp_path, tale).did == [("halt", "enough", "eve"), ("resume", "eve")]


def test_the_same_key_is_the_same_decision(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        first = await ask_desk(tmp_path, Ask(do="halt", reason="once", key="k1"))
        desk.resume("somebody")
        assert await ask_desk(tmp_path, Ask(do="halt", reason="once", key="k1")) == first
        await ask_desk(tmp_path, Ask(do="halt", reason="again", key="k2"))

    did = visit(tmp_path, tale).did
    assert [one for one in did if one[0] == "halt"] == [
        ("halt", "once", "operator"),
        ("halt", "again", "operator"),
    ]


def test_what_an_earlier_run_was_asked_is_not_done_again(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        desk.before.add("k1")
        told = await ask_desk(tmp_path, Ask(do="resume", key="k1"))
        assert told == desk.told()

    assert visit(tmp_path, tale).did == []


def test_what_an_earlier_run_was_asked_and_died_of_is_not_answered_as_done(
    tmp_path: Path,
) -> None:
    """The key stands in the journal, and what was asked never happened."""

    async def tale(desk: Desk, control: Control) -> None:
        desk.before.update(("h", "r", "c", "f"))
        told = await ask_desk(tmp_path, Ask(do="halt", key="h"))
        assert told is not None
        assert told.error == (
            "this halt was asked before, and does not hold now; expected to be asked anew"
        )
        desk.halted = "the disk"
        told = await ask_desk(tmp_path, Ask(do="flatten", key="f"))
        assert told is not None
        assert "this flatten was asked before" in told.error
        told = await ask_desk(tmp_path, Ask(do="halt", key="h2"))
        assert told is not None
        assert told.error == ""
        told = await ask_desk(tmp_path, Ask(do="resume", key="r"))
        assert told is not None
        assert "this resume was asked before" in told.error
        told = await ask_desk(tmp_path, Ask(do="cancel", order="pw-1-1", key="c"))
        assert told is not None
        assert "this cancel was asked before" in told.error

    assert [one[0] for one in visit(tmp_path, tale).did] == ["halt"]


def test_what_nobody_waits_for_any_more_is_refused_by_name_but_a_halt_is_never_too_late(
    tmp_path: Path,
) -> None:
    """The desk stands still for longer than those who ask have patience, and wakes then."""

    async def tale(desk: Desk, control: Control) -> None:
        asks = [
            Ask(do="resume", by="eve", key="r"),
            Ask(do="cancel", order="pw-1-1", by="eve", key="c"),
            Ask(do="halt", by="eve", key="h"),
            Ask(do="flatten", reason="and out", by="eve", key="f"),
        ]
        answers: list[Told | None] = []

        async def wait_in_vain() -> None:
            waiting = (ask_desk(tmp_path, ask, within_seconds=0.2) for ask in asks)
            answers.extend(await asyncio.gather(*waiting))

        elsewhere = threading.Thread(target=lambda: unhurried.run(wait_in_vain()))
        elsewhere.start()
        elsewhere.join()  # this thread, and so the desk's loop, stands still until all have left
        assert answers == [None, None, None, None]
        async with asyncio.timeout(60):
            while (len(desk.did), len(desk.refused)) != (2, 3):
                await asyncio.sleep(0.01)
        assert sorted(desk.did) == [
            ("halt", "a person threw the kill switch", "eve"),
            ("halt", "and out", "eve"),  # and nothing is closed: it was wanted then, not now
        ]
        (resume, cancel, flatten) = sorted(desk.refused, key=lambda one: "rcf".index(one[0][0]))
        assert flatten[0] == "flatten"
        assert resume[0] == "resume"
        assert re.fullmatch(
            r"too late for this resume: who asked has given up \d+\.\d s ago; "
            r"expected to be asked anew",
            resume[1],
        )
        assert cancel[0] == "cancel"
        assert desk.noted == [("halt", "eve")] * 2, "no key of what was refused is used up"
        told = await ask_desk(tmp_path, Ask(do="flatten", by="eve", key="f"))
        assert told is not None
        assert (told.error, desk.did[-1][0]) == ("", "flatten")
        told = await ask_desk(tmp_path, Ask(do="resume", by="eve", key="r"))
        assert told is not None
        assert (told.error, told.halted) == ("", "")

    visit(tmp_path, tale)


def test_what_may_not_be_is_answered_with_the_reason_and_again_with_the_same(
    tmp_path: Path,
) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        desk.halted = "the disk"
        desk.stands = "without a journal"
        told = await ask_desk(tmp_path, Ask(do="resume", by="eve", key="k1"))
        assert told is not None
        assert (told.halted, "without a journal" in told.error) == ("the disk", True)
        desk.stands = ""
        assert await ask_desk(tmp_path, Ask(do="resume", by="eve", key="k1")) == told
        again = await ask_desk(tmp_path, Ask(do="resume", by="eve", key="k2"))
        assert again is not None
        assert (again.halted, again.error) == ("", "")

    assert visit(tmp_path, tale).did == [("resume", "eve")]


def test_what_changes_nothing_is_not_noted(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        await ask_desk(tmp_path, Ask(do="status"))
        await ask_desk(tmp_path, Ask(do="halt", by="eve"))
        assert desk.noted == [("halt", "eve")]

    visit(tmp_path, tale)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"halt\n", "malformed"),
        (b'{"do":"explode"}\n', "explode"),
        (b'{"do":"halt","why":"x"}\n', "why"),
        (b"[]\n", "object"),
    ],
)
def test_what_is_not_understood_does_nothing_and_is_named(
    tmp_path: Path, line: bytes, complaint: str
) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        reader, writer = await asyncio.open_unix_connection(str(control.path))
        writer.write(line)
        told = msgspec.json.decode(await reader.readline(), type=Told)
        writer.close()
        assert complaint in told.error

    assert visit(tmp_path, tale).did == []


def test_a_visitor_that_never_ends_its_line_is_shown_out_and_the_next_is_served(
    tmp_path: Path,
) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        reader, writer = await asyncio.open_unix_connection(str(control.path))
        writer.write(b"x" * 2 * LONGEST_LINE)
        assert await reader.read() == b""
        writer.close()
        assert await ask_desk(tmp_path, Ask(do="status")) is not None

    assert visit(tmp_path, tale).did == []


def test_nobody_else_may_open_the_door(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        assert stat.S_IMODE(control.path.stat().st_mode) == 0o600

    visit(tmp_path, tale)


def test_what_a_dead_desk_left_there_is_no_hindrance_and_is_taken_away(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        assert await ask_desk(tmp_path, Ask(do="status")) is not None

    (tmp_path / "desk.sock").write_text("left")
    visit(tmp_path, tale)
    assert list(tmp_path.iterdir()) == []


def test_without_a_desk_nobody_answers(tmp_path: Path) -> None:
    assert asyncio.run(ask_desk(tmp_path, Ask(do="status"))) is None


def test_an_answer_may_name_thousands_of_orders(tmp_path: Path) -> None:
    many = tuple(f"pw-abcdef-12345-{number}" for number in range(10_000))

    class Busy(Desk):
        def told(self) -> Told:
            return Told(open=many)

    async def life() -> Told | None:
        control = Control(tmp_path, Busy())
        await control.open()
        try:
            return await ask_desk(tmp_path, Ask(do="status"))
        finally:
            await control.close()

    told = asyncio.run(life())
    assert told is not None
    assert told.open == many


@pytest.mark.parametrize("answer", [b'{"stance":"tra', b'{"stance":"asleep"}\n', b"7\n"])
def test_an_answer_that_is_cut_or_none_of_ours_is_no_answer(answer: bytes, tmp_path: Path) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async def life() -> Told | None:
        server = await asyncio.start_unix_server(reply, str(tmp_path / "desk.sock"))
        async with server:
            return await ask_desk(tmp_path, Ask(do="status"))

    assert asyncio.run(life()) is None


def test_what_a_terminal_of_another_encoding_hands_over_is_spelt_out(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        assert (
            await ask_desk(tmp_path, Ask(do="halt", by="Ren\udce9", reason="caf\udce9")) is not None
        )
        assert desk.did == [("halt", "caf\\udce9", "Ren\\udce9")]

    visit(tmp_path, tale)


def test_a_folder_that_takes_no_socket_is_named(tmp_path: Path) -> None:
    async def open_in(folder: Path) -> None:
        await Control(folder, Desk()).open()

    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with pytest.raises(ConfigError, match="at most 100"):
        asyncio.run(open_in(deep))
    with pytest.raises(ConfigError, match="No such file"):
        asyncio.run(open_in(tmp_path / "none"))


def test_one_order_is_cancelled_by_its_id(tmp_path: Path) -> None:
    async def tale(desk: Desk, control: Control) -> None:
        told = await ask_desk(tmp_path, Ask(do="cancel", order="pw-1-1", by="eve", key="k1"))
        assert told is not None
        assert told.error == ""
        await ask_desk(tmp_path, Ask(do="cancel", order="pw-1-1", by="eve", key="k1"))
        assert desk.did == [("cancel", "pw-1-1", "eve")]
        told = await ask_desk(tmp_path, Ask(do="cancel", order="nobody's", by="eve", key="k2"))
        assert told is not None
        assert "no open order" in told.error

    visit(tmp_path, tale)
