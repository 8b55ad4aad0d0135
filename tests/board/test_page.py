"""The page in a real browser, on a real desk. Where there is none, these tests say so and skip."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from pitwire.board.hub import WINDOW
from tests.board.conftest import RunningStage
from tests.desk.test_playing import recorded

pytestmark = pytest.mark.timeout(900)
WIDE = {"width": 1600, "height": 900}
PATIENCE = 120_000
AT_REST = """async () => {
    await document.fonts.ready;
    const drawn = () => new Promise((done) => requestAnimationFrame(done));
    const boxes = () => JSON.stringify([...document.querySelectorAll('header *, main *')].map(
        (one) => one.getBoundingClientRect()));
    for (let before = '', now = boxes(); before !== now; now = boxes()) {
        before = now;
        for (let frames = 0; frames < 3; frames += 1) await drawn();
    }
}"""
"""Returns when the fonts are there and nothing has moved for three pictures."""


class Page:
    """A page of the board, and what it said and asked for."""

    def __init__(self, browser: Any, url: str, size: dict[str, int] = WIDE) -> None:
        self.context = browser.new_context(viewport=size)
        self.raw = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.raw.on("pageerror", lambda error: self.errors.append(str(error)))
        self.raw.on("console", self._hear)
        self.raw.on("request", lambda request: self.asked.append(request.url))
        self.raw.set_default_timeout(PATIENCE)
        self.raw.goto(url)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def until(self, state: str) -> None:
        self.raw.wait_for_selector(f"body[data-state={state}]", timeout=PATIENCE)

    def find(self, selector: str) -> Any:
        self.raw.wait_for_selector(selector, timeout=PATIENCE)
        return self.raw.locator(selector)

    def shows(self, truth: Any) -> None:
        """Wait until it has drawn all that was told until then, and is at rest."""
        self.wait(lambda: self.ask("pitwire.live.seq") >= truth["seq"])
        self.ask(AT_REST)

    def text(self, selector: str) -> str:
        return str(self.raw.locator(selector).text_content())

    def ask(self, script: str) -> Any:
        return self.raw.evaluate(script)

    def rows(self, selector: str) -> list[list[str]]:
        """The texts of all cells below a table's body."""
        script = """(body) => [...document.querySelectorAll(body + ' tr')].map(
            (row) => [...row.children].map((cell) => cell.textContent))"""
        found: list[list[str]] = self.raw.evaluate(script, selector)
        return found

    def wait(self, holds: Callable[[], Any]) -> Any:
        for _ in range(PATIENCE // 50):
            found = holds()
            if found:
                return found
            self.raw.wait_for_timeout(50)
        raise AssertionError("it never came to that")


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Page]]:
    opened: list[Page] = []

    def make(url: str, **more: Any) -> Page:
        opened.append(Page(browser, url, **more))
        return opened[-1]

    yield make
    for page in opened:
        page.context.close()


@pytest.fixture
def board(stage: RunningStage) -> Iterator[RunningStage]:
    """The stage, as the next test wants to find it."""
    stage.do("go")
    yield stage
    stage.do("go")
    if stage.do("truth")["halted"]:
        stage.do("resume")


def test_first_paint_asks_nobody_else_and_says_no_error(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    page.find("#chart-box canvas")
    page.find("#asks tr")
    origin = board.control.split("#")[0]
    assert {url for url in page.asked if not url.startswith(origin)} == set()
    assert page.errors == []
    assert "#" not in page.ask("location.href"), "the token leaves the address"
    weight = page.ask(
        "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.decodedBodySize,"
        " performance.getEntriesByType('navigation')[0].decodedBodySize)"
    )
    assert 0 < weight <= 400_000
    assert page.text(".attribution") == "Charts by TradingView Lightweight Charts™"


def test_every_visible_cell_is_the_desk_s_own_state(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    board.until(lambda truth: truth["positions"] and len(truth["orders"]) == 2)
    truth = board.do("hold")
    page.shows(truth)
    bids, asks = truth["books"]["BTC-USDT"]
    shown = page.rows("#bids")
    assert len(shown) >= 12
    assert [row[:2] for row in shown] == [
        [f"{price:.2f}", f"{size:.5f}"] for price, size in bids[: len(shown)]
    ]
    shown = page.rows("#asks")
    assert [row[:2] for row in shown] == [
        [f"{price:.2f}", f"{size:.5f}"] for price, size in reversed(asks[: len(shown)])
    ]
    assert page.text("#mid") == f"{(bids[0][0] + asks[0][0]) / 2:.3f}"
    watch = {row[0]: row[2] for row in page.rows("#watch-rows")}
    assert watch == {symbol: f"{last:.2f}" for symbol, last in truth["last"].items()}
    assert page.text("#big") == watch["BTC-USDT"]
    orders = page.rows("#order-rows")
    working = [one for one in truth["orders"].values() if one[1]]
    assert [(row[5], row[6], row[7]) for row in orders] == [
        (size, f"{float(done):.5f}", state) for state, _, size, done in working
    ]
    page.raw.click("[data-list=positions]")
    page.wait(lambda: page.rows("#position-rows"))
    positions = {row[0]: row[2] for row in page.rows("#position-rows")}
    assert positions == truth["positions"]
    assert truth["failures"] == 0


def test_the_two_clocks_and_a_missed_frame(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")

    # The event clock stops while frames go on.
    board.do("freeze events")
    page.until("stale")
    page.wait(lambda: "newest event" in page.text("#banner-more"))
    page.wait(lambda: page.raw.title().startswith("[STALE] "))
    page.wait(lambda: page.text("#state") == "Stale")
    before = page.ask("pitwire.live.seq")
    page.wait(lambda: page.ask("pitwire.live.seq") > before)
    board.do("go")
    page.until("live")
    page.wait(lambda: page.raw.locator("#banner").is_hidden())

    # A frame is lost on its way: another picture is asked for, and nothing is doubled.
    board.do("drop a frame")
    page.wait(
        lambda: page.ask("pitwire.live.resyncSince") == 0 and page.ask("pitwire.live.seq") > 0
    )
    page.until("live")
    tape = [row[3] + row[1] + row[2] for row in page.rows("#tape-rows") if row[0] != "…"]
    assert len(tape) <= 60

    # The whole server stands still: silence.
    board.process.send_signal(signal.SIGSTOP)
    try:
        page.until("stale")
        page.wait(lambda: "no frame for" in page.text("#banner-more"))
        page.wait(lambda: page.text("#venue-rows td:nth-child(2)") == "unknown")
    finally:
        board.process.send_signal(signal.SIGCONT)
    page.until("live")
    assert page.errors == []


def test_one_symbol_is_stale_and_the_other_is_not(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    board.do("hold")
    board.do("put", topic="desk", key="limit", row=0)  # what is held grows old
    board.do("put", topic="stale", key="ETH-USDT", row="book: a planted gap")
    page.find("#watch-rows tr.stale")
    assert page.ask("document.querySelector('tr.stale').dataset.key") == "ETH-USDT"
    assert "planted gap" in page.ask("document.querySelector('tr.stale').title")
    board.do("put", topic="stale", key="BTC-USDT", row="book: another")
    page.until("stale")
    page.wait(lambda: "every symbol is stale" in page.text("#banner-more"))


def test_a_clock_that_is_far_off_is_told(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    board.do("hold")
    board.do("put", topic="desk", key="limit", row=0)  # what is held grows old
    board.do("put", topic="desk", key="skew", row="the venue's clock is +400.0 ms from ours")
    page.wait(lambda: page.text("#banner-text") == "Clock skew:")
    assert "+400.0 ms from ours; ages allow for it" in page.text("#banner-more")
    assert page.ask("document.body.dataset.doubt") is None


def test_a_desk_that_began_anew_and_a_newer_run_are_told(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    assert page.raw.locator("#banner").is_hidden(), "a page that is opened has seen no other start"
    board.do("hold")
    board.do("put", topic="desk", key="limit", row=0)  # what is held grows old
    board.do("put", topic="desk", key="run", row="run-2")
    board.do("put", topic="desk", key="since", row=1_700_000_000_000.0)
    page.wait(lambda: page.text("#banner-text") == "Desk restarted:")
    assert page.text("#banner-more") == "what is shown is of run-2 since 22:13:20 UTC"
    assert "22:13:20, run-2" in page.text("#venue-facts")
    assert page.ask("document.body.dataset.doubt") is None
    board.do("put", topic="desk", key="newer", row="run-3")
    page.wait(lambda: "this is run-2, and there is run-3" in page.text("#banner-more"))
    page.ask("pitwire.desks[0].restartedAt = 0")
    page.wait(lambda: page.text("#banner-text") == "The desk has a newer run:")


def test_the_server_dies_and_comes_back(open_page: Callable[..., Page]) -> None:
    first = RunningStage()
    page = open_page(first.control)
    try:
        page.until("live")
        page.find("#tape-rows tr")
        page.find("#order-rows .cancel")
    finally:
        first.end()
    page.until("disconnected")
    page.find("#order-rows tr.doubted")
    assert page.raw.locator("#order-rows .cancel").is_hidden()
    page.raw.click("[data-list=rejected]")
    page.wait(lambda: "what there is now is not known" in page.text("#nothing"))
    page.raw.click("[data-list=working]")
    assert "Disconnected" in page.text("#banner-text")
    assert "Attempt" in page.text("#banner-more")
    assert page.text("#kill-open").startswith("No connection: pitwire kill")
    assert page.raw.locator("#kill-open").is_disabled()
    second = RunningStage(first.port, first.tokens)
    try:
        page.until("live")
        truth = second.do("hold")
        page.shows(truth)
        shown = page.rows("#bids")
        assert [row[0] for row in shown] == [
            f"{price:.2f}" for price, _ in truth["books"]["BTC-USDT"][0][: len(shown)]
        ]
        symbols = [row[0] for row in page.rows("#watch-rows")]
        assert symbols == ["BTC-USDT", "ETH-USDT"]
        page.find("#order-rows tr:not(.doubted) .cancel:not([hidden])")
        page.wait(lambda: page.text("#banner-text") == "Desk restarted:")
    finally:
        second.end()


def test_the_kill_switch(board: RunningStage, open_page: Callable[..., Page]) -> None:
    page, other = open_page(board.control), open_page(board.look)
    page.until("live")
    other.until("live")
    assert other.raw.locator("#kill-open").is_hidden(), "who only looks has no switch"

    page.raw.keyboard.press("Shift+K")
    page.find("#kill[open]")
    assert page.ask("document.activeElement.id") == "kill-word"
    assert "cancel 1 working order on 1 venue" in page.text("#kill-what")
    for wrong in ("halt", "HAL", "HALTT"):
        page.raw.fill("#kill-word", wrong)
        assert page.raw.locator("#kill-do").is_disabled()
    page.raw.keyboard.press("Escape")
    page.raw.wait_for_selector("#kill:not([open])", state="attached")
    assert board.do("truth")["halted"] == ""

    # It works while nothing on the page is to be believed.
    board.do("freeze events")
    page.until("stale")
    page.raw.keyboard.press("Shift+K")
    page.raw.fill("#kill-reason", "enough <b>now</b>")
    page.raw.fill("#kill-word", "HALT")
    page.raw.click("#kill-do")
    page.find("#kill-progress.done, #kill-progress.bad")
    assert "Halted: the desk has confirmed." in page.text("#kill-progress")
    assert board.do("truth")["halted"] == "enough <b>now</b>"
    board.do("go")
    for each in (page, other):
        each.find("body[data-halted='1']")
        each.wait(lambda each=each: "enough <b>now</b> (by board" in each.text("#banner-text"))
    board.until(lambda truth: not any(order[1] for order in truth["orders"].values()))

    page.raw.keyboard.press("Escape")
    page.raw.click("#resume-open")
    page.raw.fill("#resume-word", "RESUME")
    page.raw.click("#resume-do")
    page.find("#resume-progress.done")
    assert board.do("truth")["halted"] == ""
    other.find("body:not([data-halted])")


def test_the_kill_switch_flattens_where_that_is_ticked(open_page: Callable[..., Page]) -> None:
    own = RunningStage()
    try:
        page = open_page(own.control)
        page.until("live")
        own.until(lambda truth: truth["positions"])
        page.wait(lambda: page.text("#n-positions") == "1")
        page.raw.keyboard.press("Shift+K")
        page.find("#kill[open]")
        assert not page.raw.locator("#kill-flatten").is_checked(), "it is never ticked by itself"
        assert "leave 1 position open" in page.text("#kill-what")
        page.raw.check("#kill-flatten")
        assert "close 1 position at the market" in page.text("#kill-what")
        page.raw.fill("#kill-word", "HALT")
        page.raw.click("#kill-do")
        page.find("#kill-progress.done, #kill-progress.bad")
        assert "Halted: the desk has confirmed." in page.text("#kill-progress")
        page.find("#kill-progress.done")
        page.wait(lambda: "BTC-USDT: closed" in page.text("#kill-progress"))
        assert "close 1 position at the market" in page.text("#kill-what"), "as it was confirmed"
        truth = own.do("truth")
        assert set(truth["positions"].values()) == {"0"}
        assert not any(order[1] for order in truth["orders"].values())
        assert truth["halted"] != ""
        page.wait(lambda: "Flatten: BTC-USDT closed" in page.text("#banner-more"))
        assert page.errors == []
    finally:
        own.end()


def test_one_order_is_cancelled_from_its_row_and_the_venue_dies(
    open_page: Callable[..., Page],
) -> None:
    own = RunningStage()
    try:
        page, other = open_page(own.control), open_page(own.look)
        page.until("live")
        other.until("live")
        page.find("#order-rows .cancel")
        other.find("#order-rows tr")
        assert other.raw.locator("#order-rows .cancel").first.is_hidden()

        # A desk that hangs: the page gives up, and what it gave up is not done when the desk wakes.
        page.ask("pitwire.live.patience = 300")
        own.process.send_signal(signal.SIGSTOP)
        try:
            page.raw.click("#order-rows .cancel")
            page.wait(lambda: page.text("#order-rows .cancel") == "Failed")
        finally:
            own.process.send_signal(signal.SIGCONT)
        page.until("live")
        page.wait(lambda: page.text("#order-rows .cancel") == "Cancel")
        own.until(lambda truth: any("cancel, which is not done" in one for one in truth["alerts"]))
        assert any(order[1] for order in own.do("truth")["orders"].values())
        page.ask("pitwire.live.patience = 8000")
        page.raw.click("#order-rows .cancel")
        own.until(lambda truth: not any(order[1] for order in truth["orders"].values()))
        page.raw.click("[data-list=done]")
        page.wait(lambda: "canceled" in {row[7] for row in page.rows("#order-rows")})
        assert own.do("truth")["halted"] == ""

        # Then the venue dies: the board goes on, and says what is not to be believed.
        own.do("kill the venue")
        page.until("stale")
        page.wait(lambda: page.text("#venue-rows td:nth-child(2)") == "unknown")
        seq = page.ask("pitwire.live.seq")
        page.wait(lambda: page.ask("pitwire.live.seq") > seq)
        assert own.do("truth")["failures"] == 0
        assert page.errors == []
    finally:
        own.end()


def test_a_clock_that_was_slow_to_answer_gives_no_ask_more_time(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    over: float = page.ask("""(() => {
        const live = pitwire.live, begun = performance.now();
        live.trips = [];
        live.booted = null;
        live.hear({ kind: "clock", at: begun - 600, now: 0, boot: 5000 });
        return begun + live.booted - 5000;
    })()""")
    assert over <= 0, "the desk may have looked at its clock just before the answer came"


def test_one_of_two_venues_dies_and_the_other_is_traded_on(open_page: Callable[..., Page]) -> None:
    both = RunningStage(what="two")
    try:
        page = open_page(both.control)
        page.wait(lambda: page.text("#state") == "Live")
        keys = "[...document.querySelectorAll('#watch-rows tr')].map((row) => row.dataset.key)"
        page.wait(
            lambda: page.ask(keys) == ["left\n", "left\nBTC-USDT", "right\n", "right\nBTC-USDT"]
        )
        groups = (
            "[...document.querySelectorAll('#watch-rows tr.group')].map((row) => row.className)"
        )
        assert page.ask(groups) == ["group", "group"]
        page.wait(lambda: page.text("#h-chart") == "BTC-USDT · left")
        both.until(lambda truth: all(one["open"] for one in truth.values()))
        page.wait(lambda: page.text("#n-working") == "2")
        assert {row[1] for row in page.rows("#order-rows")} == {
            "BTC-USDT · left", "BTC-USDT · right",
        }  # fmt: skip

        # One venue dies: only what is of it is not to be believed any more.
        both.do("kill the venue", desk="right")
        page.wait(lambda: page.ask(groups) == ["group", "group stale"])
        page.wait(lambda: "right: Stale" in page.text("#banner-more"))
        assert page.text("#state") == "1 of 2 live"
        assert page.ask("document.body.dataset.state") == "live"
        assert page.ask("document.body.dataset.doubt") is None
        assert page.ask("document.body.dataset.viewDoubt") is None
        old = "[...document.querySelectorAll('%s')].map((row) => [row.dataset.key.split('\\n')[0]])"
        assert page.ask(old % "#watch-rows tr.stale[aria-selected]") == [["right"]]
        assert page.ask(old % "#order-rows tr.doubted") == [["right"]]
        states = {row[0]: row[1] for row in page.rows("#venue-rows")}
        assert states == {"left · binance": "live", "right · binance": "unknown"}
        assert page.raw.title().startswith("[PART STALE] ")
        tape = page.rows("#tape-rows")
        page.wait(lambda: page.rows("#tape-rows") != tape)
        for name in ("tablet", "phone", "wide"):
            page.raw.set_viewport_size(SIZES[name])
            page.ask(AT_REST)
            assert page.ask(GEOMETRY) == [], name

        # Looked at, the dead one's chart, book and tape are hatched; the live one's are not.
        press = page.raw.keyboard.press
        press("j")
        press("Enter")
        page.wait(lambda: page.text("#h-chart") == "BTC-USDT · right")
        page.find("body[data-view-doubt='1']:not([data-doubt])")
        press("k")
        press("Enter")
        page.wait(lambda: page.text("#h-chart") == "BTC-USDT · left")
        page.find("body:not([data-view-doubt])")

        # Its process goes, too: of the other nothing changes, and it alone can be halted.
        both.do("end", desk="right")
        page.wait(lambda: "no desk answers" in page.text("#banner-more"))
        press("Shift+K")
        page.find("#kill[open]")
        assert "on 2 venues" in page.text("#kill-what")
        assert "of right may be old" in page.text("#kill-what")
        page.raw.select_option("#kill-scope", "left")
        assert "cancel 1 working order on 1 venue" in page.text("#kill-what")
        page.raw.fill("#kill-word", "HALT")
        page.raw.click("#kill-do")
        page.wait(lambda: "left: Halted: the desk has confirmed." in page.text("#kill-progress"))
        assert "right" not in page.text("#kill-progress")
        truth = both.until(lambda truth: not truth["left"]["open"])
        assert truth["left"]["halted"]
        page.wait(lambda: "left: Trading is halted" in page.text("#banner-text"))
        press("Escape")

        # All at once: who does not answer is told, and stays on the screen.
        press("Shift+K")
        page.raw.fill("#kill-word", "HALT")
        page.raw.click("#kill-do")
        page.find("#kill-progress.bad")
        page.wait(lambda: "right: Not done:" in page.text("#kill-progress"))
        page.wait(lambda: "left: Halted: the desk has confirmed." in page.text("#kill-progress"))
        press("Escape")
        page.raw.click("#resume-open")
        assert page.ask(
            "[...document.querySelectorAll('#resume-scope option')].map((one) => one.value)"
        ) == ["left"]
        page.raw.fill("#resume-word", "RESUME")
        page.raw.click("#resume-do")
        page.find("#resume-progress.done")
        assert both.do("truth")["left"]["halted"] == ""
        assert all("status of 504" in one for one in page.errors), page.errors
    finally:
        both.end()


def test_markup_stays_text(board: RunningStage, open_page: Callable[..., Page]) -> None:
    page = open_page(board.control)
    page.until("live")
    board.do("hold")
    evil = "<img src=x onerror=\"document.title='owned'\">"
    row = [evil, 1, evil, 1, evil, evil, evil]
    board.do("put", topic="watch", key=evil, row=row)
    order = {
        "id": evil, "sym": evil, "side": "buy", "type": evil, "px": evil, "size": evil,
        "done": evil, "part": 50, "state": evil, "open": 1, "rule": evil, "at": 1.7e12,
        "ack": evil, "why": evil,
    }  # fmt: skip
    board.do("put", topic="orders", key=evil, row=order)
    truth = board.do("put", topic="desk", key="halted", row=evil)
    page.wait(lambda: page.ask("pitwire.live.seq") >= truth["seq"])
    page.find("body[data-halted='1']")
    page.wait(lambda: any(row[0] == evil for row in page.rows("#watch-rows")))
    page.wait(lambda: any(row[1] == evil for row in page.rows("#order-rows")))
    assert evil in page.text("#banner-text")
    assert page.ask("document.querySelectorAll('img, [onerror]').length") == 0
    assert "owned" not in page.raw.title().split("<")[0]
    assert page.errors == []


def test_an_address_without_a_token_or_with_an_unknown_symbol(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control.split("#")[0] + "#" + "0" * 64)
    page.wait(lambda: page.ask("pitwire.live.attempt") > 1)
    assert page.rows("#watch-rows") == []
    url, token = board.look.split("#")
    page = open_page(f"{url}?symbol=%3Cb%3EX%3C%2Fb%3E#{token}")
    page.until("live")
    page.find("#asks tr")
    assert page.ask("pitwire.page.symbol") == "BTC-USDT"


def test_a_recording_is_never_mistaken_for_a_market_of_now(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control)
    page.until("live")
    assert page.raw.locator("#replay").is_hidden()
    plain = page.ask("getComputedStyle(document.body).backgroundColor")
    board.do("hold")
    board.do("put", topic="desk", key="replay", row=1_700_000_000_000.0)
    page.find("#replay:not([hidden])")
    assert page.text("#replay") == "REPLAY of 2023-11-14"
    assert page.text("#mode") == "SIM", "what orders are sent with is said as before"
    page.wait(lambda: page.raw.title().startswith("[REPLAY] "))
    assert page.ask("getComputedStyle(document.body).backgroundColor") != plain
    for size in SIZES.values():
        page.raw.set_viewport_size(size)
        page.ask(AT_REST)
        assert page.raw.locator("#replay").is_visible()
        assert page.ask(GEOMETRY) == [], size


def test_a_replay_is_marked_and_nothing_can_be_commanded(
    tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    # A loop of the tools runs in this thread, and a world has one of its own.
    recording = threading.Thread(target=recorded, args=(tmp_path,), kwargs={"seconds": 4})
    recording.start()
    recording.join()
    start = "from pitwire.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-u", "-c", start, "replay", str(tmp_path), "--board"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as playing:
        try:
            assert playing.stdout is not None
            page = open_page(playing.stdout.readline().split()[-1])
            page.wait(lambda: page.text("#state") == "Over")
            page.wait(lambda: page.text("#replay").startswith("REPLAY 20"))
            page.wait(lambda: page.raw.title().startswith("[REPLAY] "))
            page.find("#bids tr")
            page.wait(lambda: page.text("#n-fills") != "0")
            assert page.raw.locator("#kill-open").is_hidden()
            assert "this is how it ended" in page.text("#banner-text")
            assert page.ask("document.body.dataset.doubt") is None
            for size in SIZES.values():
                page.raw.set_viewport_size(size)
                page.ask(AT_REST)
                assert page.ask(GEOMETRY) == [], size
            assert page.errors == []
            playing.send_signal(signal.SIGINT)
            told = playing.stdout.read()
            assert playing.wait() == 0
            assert "journal " in told
        finally:
            playing.kill()


def test_keys_alone(board: RunningStage, open_page: Callable[..., Page]) -> None:
    page = open_page(board.control)
    page.until("live")
    press = page.raw.keyboard.press
    press("/")
    assert page.ask("document.activeElement.id") == "filter"
    page.raw.keyboard.type("eth")
    press("Enter")
    page.wait(lambda: page.text("#h-chart") == "ETH-USDT")
    press("/")
    page.raw.keyboard.press("Control+A")
    press("Backspace")
    press("Escape")
    assert page.ask("document.activeElement.tagName") == "BODY"
    press("4")
    page.wait(lambda: page.text("#intervals [aria-pressed=true]") == "1m")
    page.wait(lambda: page.rows("#bids"))
    press("k")
    press("k")
    press("Enter")
    page.wait(lambda: page.text("#h-chart") == "BTC-USDT")
    press("g")
    press("f")
    page.wait(lambda: page.text("#orders [aria-selected=true]").startswith("Fills"))
    press("g")
    press("l")
    page.find("#log-view:not([hidden])")
    assert any("connected" in row[2] for row in page.rows("#log-rows"))
    press("g")
    press("d")
    page.find("#main:not([hidden])")
    press("p")
    page.find("#frozen:not([hidden])")
    frozen = page.text("#big"), page.rows("#tape-rows")
    seq = page.ask("pitwire.live.seq")
    page.wait(lambda: page.ask("pitwire.live.seq") > seq + 5)
    assert (page.text("#big"), page.rows("#tape-rows")) == frozen
    press("p")
    page.wait(lambda: page.rows("#tape-rows") != frozen[1])
    press("q")
    page.wait(lambda: "BTC-USDT: last" in page.text("#said"))
    press("?")
    page.find("#help[open]")
    press("Escape")
    page.raw.wait_for_selector("#help:not([open])", state="attached")
    assert page.errors == []


TAKEN = """window.taken = []; {
    const take = pitwire.live.take.bind(pitwire.live);
    pitwire.live.take = (frame, whole) => {
        taken.push([frame.previous, frame.seq, whole]);
        take(frame, whole);
    };
} 0"""
"""Notes every frame that a page takes from then on."""


def test_a_page_slowed_six_times_leaves_frames_out_and_never_lags(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    slow, quick = open_page(board.look), open_page(board.look)
    for page in (slow, quick):
        page.until("live")
        page.ask(TAKEN)
    slow.context.new_cdp_session(slow.raw).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    # Also where a sixth of the processor were enough: it thinks of something else now and then.
    busy = "{ const end = performance.now() + 300; while (performance.now() < end); }"
    left_out = "taken.filter(([previous, seq]) => seq - previous > 1).length"
    slow.wait(lambda: slow.ask(f"{busy} {left_out}") >= 3)
    truth = board.do("hold")
    before = slow.ask("taken.length")
    for page in (slow, quick):
        page.shows(truth)
        taken = page.ask("taken")
        assert not any(whole for _, _, whole in taken), "nothing was missed"
        assert all(one[1] == two[0] for one, two in itertools.pairwise(taken))
        shown = page.rows("#bids")
        assert [row[0] for row in shown] == [
            f"{price:.2f}" for price, _ in truth["books"]["BTC-USDT"][0][: len(shown)]
        ]
    # However slow: what was on its way, and one frame that holds all the rest.
    until = next(at for at, (_, seq, _) in enumerate(slow.ask("taken")) if seq >= truth["seq"])
    assert until + 1 - before <= WINDOW + 1


def test_axe_finds_nothing_serious(board: RunningStage, open_page: Callable[..., Page]) -> None:
    script = distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")
    page = open_page(board.control)
    page.until("live")
    board.until(lambda truth: truth["positions"])
    page.ask(Path(str(script)).read_text() + "; 0")
    for place in ("desk", "positions", "kill", "stale", "log"):
        match place:
            case "positions":
                page.raw.click("[data-list=positions]")
                page.wait(lambda: page.rows("#position-rows"))
            case "kill":
                page.raw.keyboard.press("Shift+K")
                page.find("#kill[open]")
            case "stale":
                page.raw.keyboard.press("Escape")
                board.do("freeze events")
                page.until("stale")
            case "log":
                board.do("go")
                page.raw.click("#tab-log")
        found = page.ask("axe.run(document).then((found) => found.violations)")
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"]][:4])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], place


SIZES = {
    "wide": WIDE,
    "desk": {"width": 1440, "height": 900},
    "laptop": {"width": 1280, "height": 800},
    "tablet": {"width": 820, "height": 1100},
    "middle": {"width": 1100, "height": 700},
    "phone": {"width": 390, "height": 844},
    "zoomed": {"width": 800, "height": 450},
}

GEOMETRY = (Path(__file__).parent / "geometry.js").read_text()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_and_nothing_overlaps(
    size: str, board: RunningStage, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(board.control, size=SIZES[size])
    page.until("live")
    page.shows(board.until(lambda truth: truth["positions"]))
    for pane in ("orders", "watch", "tape", "health"):
        if SIZES[size]["width"] <= 1200:
            page.raw.click(f".panes [data-pane={pane}]")
            page.ask(AT_REST)
        assert page.ask(GEOMETRY) == [], (size, pane)
        page.raw.screenshot(path=tmp_path / f"{size}-{pane}.png")
    board.do("halt", reason="a halt that is told in rather many words, as they are in practice")
    page.find("body[data-halted='1']")
    page.shows(board.do("truth"))
    assert page.ask(GEOMETRY) == [], (size, "halted")


ODD = ("0.00001234", "123456.7", "4123456.78", "−123456789.0", "+1,234,567.89")
ODD_BOOK = """(numbers) => {
    const {view} = pitwire, [tiny, , , , wide] = numbers, sum = wide.slice(1);
    const side = [...Array(15).keys()].map((at) => [tiny, sum, sum, 60 * at, at === 2 ? sum : '']);
    for (const [key, row] of [['asks', side], ['bids', side], ['middle', [tiny, '12', '']]])
        view.table('book').set(key, row);
    view.tale('tape').push([1, 'buy', tiny, sum, 1.7e12, 1], [2, 'sell', sum, tiny, 1.7e12, 0]);
    for (const topic of ['book', 'tape']) view.touched.add(topic);
}"""


def test_no_number_is_cut_however_long(board: RunningStage, open_page: Callable[..., Page]) -> None:
    page = open_page(board.control)
    page.until("live")
    page.shows(board.until(lambda truth: truth["positions"]))
    board.do("hold")
    board.do("put", topic="desk", key="limit", row=0)  # what is held grows old
    tiny, large, huge, short, result = ODD
    order = next(iter(page.ask("[...pitwire.model.table('orders')]")))[1]
    order |= {"id": "odd", "px": tiny, "size": short, "done": huge, "ack": "1234.5", "open": 1}
    board.do("put", topic="orders", key="odd", row=order)
    row = ["BTC-USDT", "short", short, tiny, huge, result, result, "1.20000000 USDT", "USDT"]
    board.do("put", topic="positions", key="BTC-USDT", row=row)
    for symbol, last in (("PEPE-USDT", tiny), ("BTC-TRY", huge), ("BTC-USDT", large)):
        board.do("put", topic="watch", key=symbol, row=[last, 1, "+34.56%", 1, last, last, "1d"])
    page.raw.evaluate(ODD_BOOK, ODD)
    truth = board.do("put", topic="desk", key="since", row=0)
    page.wait(lambda: page.ask("pitwire.live.seq") >= truth["seq"])
    page.wait(lambda: page.rows("#asks")[0][0] == tiny)
    for size in ("wide", "laptop", "middle", "phone"):
        page.raw.set_viewport_size(SIZES[size])
        for kind in ("working", "positions"):
            page.raw.click(f"#orders [data-list={kind}]")
            page.ask(AT_REST)
            assert page.ask(GEOMETRY) == [], (size, kind)


def test_a_phone_shows_a_position_whole(
    board: RunningStage, open_page: Callable[..., Page]
) -> None:
    page = open_page(board.control, size=SIZES["phone"])
    page.shows(board.until(lambda truth: truth["positions"]))
    page.raw.click("#orders [data-list=positions]")
    hidden = "() => (({scrollWidth, clientWidth}) => scrollWidth - clientWidth)"
    assert page.ask(f"{hidden}(document.querySelector('#orders .scroll'))") <= 0


def test_what_the_page_needs_to_know_is_in_no_address(board: RunningStage) -> None:
    assert json.dumps(board.control).count("?") == 0
