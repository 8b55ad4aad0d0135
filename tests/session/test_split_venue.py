"""A venue that splits itself: market addresses by channel, a private connection, REST commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.model.events import Rejected
from pitwire.venues.venue import (
    Can,
    Channel,
    Decoded,
    HttpRequest,
    Outgoing,
    PrivateStream,
    Reply,
)
from pitwire.wire.link import HttpAnswer
from tests.session.toy import TOY, ToyCodec, ToyConnection
from tests.session.world import KEY, World, live, settle

RENEW = 1800.0


class SplitCodec(ToyCodec):
    """Its private key comes with the answer to `watch`; `cancel_all` goes over REST."""

    def _reply(self, said: dict[str, Any], now: int) -> Reply:
        return replace(super()._reply(said, now), private_key=said.get("key", ""))

    def decode(self, frame: bytes | bytearray | memoryview, now: int) -> Sequence[Decoded]:
        if json.loads(bytes(frame)).get("e") == "expired":
            return (Rejected("toy", "", 0, now, "", "orders", 0, "expired"),)
        return super().decode(frame, now)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        if request.request_id:
            return (self._reply({"id": request.request_id, **json.loads(body)}, now),)
        return super().decode_response(request, status, headers, body, now)

    def cancel_all(self, symbol: str, now: int, request_id: int) -> Outgoing:  # type: ignore[override]
        return HttpRequest("cancel_all", "DELETE", "/all", symbol, weight=3, request_id=request_id)

    def set_leverage(self, symbol: str, leverage: int, now: int, request_id: int) -> Outgoing:
        return json.dumps({"id": request_id, "do": "leverage", "to": leverage}).encode()

    def arm_countdown(self, symbol: str, seconds: float, now: int, request_id: int) -> Outgoing:
        return json.dumps({"id": request_id, "do": "countdown", "seconds": seconds}).encode()


SPLIT = replace(
    TOY,
    codec=SplitCodec,
    channels={
        **TOY.channels,
        "bars": Channel("bars", "{symbol}", event="Bar", route="slow"),
    },
    route_path=lambda endpoints, _, route: f"{endpoints.market}/{route}",
    private=PrivateStream(lambda endpoints, key: f"{endpoints.market}/private?key={key}", RENEW),
)


def split(world: World, key: str = "k1", **more: Any) -> Any:
    world.server.refuse["watch"] = lambda said: {"key": key}
    return world.connect(**{"venue": SPLIT, "credentials": KEY, **more})


def at(world: World, url: str) -> list[ToyConnection]:
    return [one for one in world.server.connections if one.url == url]


def asked(world: World, what: str) -> int:
    return sum(verb == what for _, verb in world.server.log)


# ── market addresses ──


def test_each_channel_is_asked_for_at_the_address_that_carries_it() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe("ticker", "A", "B")
            await session.subscribe("bars", "A")
            await session.subscribe("trades", "A")
            [slow] = at(world, "toy://market/slow")
            assert [ask[:2] for ask in slow.asks] == [("bars", "A")]
            [fast] = at(world, "toy://market")
            assert [ask[:2] for ask in fast.asks] == [
                ("ticker", "A"), ("ticker", "B"), ("trades", "A"),
            ]  # fmt: skip

    live(story)


def test_a_full_connection_gets_a_second_one_at_the_same_address() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe("bars", *"ABCDE")
            await session.subscribe("ticker", "A")
            assert [len(one.asks) for one in at(world, "toy://market/slow")] == [4, 1]
            assert [len(one.asks) for one in at(world, "toy://market")] == [1]

    live(story)


def test_an_address_that_the_table_does_not_know_is_one_clear_error() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=replace(SPLIT, route_path=None)) as session:
            with pytest.raises(errors.ConfigError, match="route_path of toy"):
                await session.subscribe("bars", "A")

    live(story)


# ── the private connection ──


def test_order_updates_come_once_the_private_connection_stands() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            [private] = at(world, "toy://market/private?key=k1")
            private.tell(e="update", s="A", order="o1", kind="filled")
            await settle()
            assert [one.order_id for one in world.of(events.Update)] == ["o1"]

    world = live(story)
    [told] = [one for one in world.of(events.Subscribed) if one.channel == "orders"]
    assert told.link == "private"


def test_after_a_loss_the_key_is_asked_for_before_the_dial() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            at(world, "toy://market/private?key=k1")[0].link.abort()
            await asyncio.sleep(5)
            assert asked(world, "watch") == 2
            assert len(at(world, "toy://market/private?key=k1")) == 2
            assert session._lines.orders.conversation.watches_orders

    world = live(story)
    told = [one.link for one in world.of(events.Subscribed) if one.channel == "orders"]
    assert told == ["private", "private"]
    assert [one.link for one in world.of(events.Lost) if not one.by_us] == ["private"]


def test_while_no_key_can_be_had_nothing_is_dialled() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            world.server.refuse["login"] = lambda said: None  # the orders connection is mute
            world.server.orders.link.abort()
            at(world, "toy://market/private?key=k1")[0].link.abort()
            await asyncio.sleep(4)
            assert len(at(world, "toy://market/private?key=k1")) == 1
            del world.server.refuse["login"]
            await asyncio.sleep(30)
            assert len(at(world, "toy://market/private?key=k1")) == 2

    live(story)


def test_an_expired_key_is_replaced_and_the_new_one_dialled() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            world.server.refuse["watch"] = lambda said: {"key": "k2"}
            at(world, "toy://market/private?key=k1")[0].tell(e="expired")
            await asyncio.sleep(5)
            assert len(at(world, "toy://market/private?key=k1")) == 1
            assert len(at(world, "toy://market/private?key=k2")) == 1
            assert session._lines.orders.conversation.watches_orders

    live(story)


def test_a_living_key_is_kept_alive() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            await asyncio.sleep(RENEW + 1)
            assert asked(world, "watch") == 2
            assert len(at(world, "toy://market/private?key=k1")) == 1

    live(story)


def test_a_renewal_that_must_wait_is_not_looked_at_meanwhile() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            errands = session._lines.orders.conversation.errands
            due = world.loop.now() + round(RENEW * SECOND)
            errands._messages.block("messages", due + 20 * SECOND)
            errands._time_due = due + 60 * SECOND  # of the clock it would ask before
            assert errands.next_deadline(due + SECOND) == due + 20 * SECOND
            await asyncio.sleep(RENEW + 19)
            assert asked(world, "watch") == 1
            await asyncio.sleep(2)
            assert asked(world, "watch") == 2

    live(story)


class KeyOverRest(SplitCodec):
    """Its private key is to be had over REST alone."""

    def watch_orders(self, now: int, request_id: int) -> Outgoing:  # type: ignore[override]
        return HttpRequest("key", "POST", "/key", weight=1, request_id=request_id)


def test_a_key_over_rest_waits_out_a_ban_and_costs_no_messages() -> None:
    async def story(world: World) -> None:
        urls = rest(world, {"key": "k1"})
        fetch = world.fetch  # type: ignore[attr-defined]
        venue = replace(SPLIT, codec=KeyOverRest)
        async with split(world, venue=venue, fetch=fetch) as session:
            await session.authenticate_websocket()
            until = world.loop.now() + 30 * SECOND
            session._lines.pacing.block("weight", until)
            watching = asyncio.create_task(session.subscribe_to_order_updates())
            await settle()
            errands = session._lines.orders.conversation.errands
            errands._time_due = until + 60 * SECOND  # of the clock it would ask before
            assert errands.next_deadline(world.loop.now()) == until
            assert errands._messages.allows("messages", world.loop.now())
            await asyncio.sleep(29)
            assert not urls
            await watching
            assert urls == ["POST toy://http/key"]

    live(story)


def test_another_key_at_renewal_moves_the_connection() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            world.server.refuse["watch"] = lambda said: {"key": "k2"}
            await asyncio.sleep(RENEW + 10)
            assert at(world, "toy://market/private?key=k1")[0].lost is not None
            assert len(at(world, "toy://market/private?key=k2")) == 1

    live(story)


def test_a_roll_replaces_the_private_connection_and_loses_nothing() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.subscribe_to_order_updates()
            await session.roll()
            old, new = at(world, "toy://market/private?key=k1")
            assert old.lost is not None
            assert new.lost is None
            new.tell(e="update", s="A", order="o2", kind="filled")
            await settle()
            assert [one.order_id for one in world.of(events.Update)] == ["o2"]
            assert session._lines.orders.conversation.watches_orders

    world = live(story)
    assert all(lost.covered for lost in world.of(events.Lost) if not lost.by_us)


# ── commands over REST ──


def rest(world: World, answer: dict[str, Any]) -> list[str]:
    urls: list[str] = []

    async def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        urls.append(f"{method} {url}")
        if not answer:
            raise errors.DialFailed(address=url, cause="nobody there")
        return 200, {}, json.dumps(answer).encode()

    world.fetch = fetch  # type: ignore[attr-defined]
    return urls


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"events": [{"e": "update", "s": "A", "order": "o", "kind": "canceled"}]}, "Update"),
        ({"error": "bad", "text": "no"}, "Rejected"),
        ({"error": "unknown", "text": "perhaps"}, "Unanswered"),
        ({}, "Unanswered"),
    ],
)
def test_a_command_over_rest_ends_like_any_other(answer: dict[str, Any], kind: str) -> None:
    async def story(world: World) -> None:
        urls = rest(world, answer)
        async with split(world, fetch=world.fetch) as session:  # type: ignore[attr-defined]
            await session.authenticate_websocket()
            session.cancel_all("A", world.loop.now())
            await asyncio.sleep(1)
            assert urls == ["DELETE toy://http/all?A"]
            assert session._lines.pacing.left("weight", world.loop.now()) == (597, 600, 60.0)

    told = live(story).kinds()
    assert told.count(kind) == 1


def test_leverage_and_countdown_are_for_venues_that_have_them() -> None:
    async def story(world: World) -> None:
        async with split(world) as session:
            await session.authenticate_websocket()
            session.set_leverage("A", 5, world.loop.now())
            session.arm_countdown("A", 120.0, world.loop.now())
            await settle()
            assert world.server.orders.said[-2]["to"] == 5
            assert world.server.orders.said[-1]["seconds"] == 120.0
        async with world.connect(credentials=KEY) as plain:
            await plain.authenticate_websocket()
            with pytest.raises(errors.StateError, match="offers it"):
                plain.set_leverage("A", 5, world.loop.now())

    live(story)


def test_a_venue_that_is_only_watched_has_no_orders_connection() -> None:
    async def story(world: World) -> None:
        watched = replace(SPLIT, can=Can(orders=False))
        async with world.connect(venue=watched, credentials=KEY) as session:
            with pytest.raises(errors.StateError, match="only watched"):
                await session.authenticate_websocket()

    live(story)


class ClocklessCodec(SplitCodec):
    """Its clock is to be had over REST alone."""

    def server_time(self, now: int, request_id: int) -> Outgoing:  # type: ignore[override]
        return HttpRequest("time", "GET", "/time", request_id=request_id)


def test_the_clock_over_rest_is_not_asked_for_during_a_ban() -> None:
    async def story(world: World) -> None:
        async with split(world, venue=replace(SPLIT, codec=ClocklessCodec)) as session:
            until = world.loop.now() + 30 * SECOND
            session._lines.pacing.block("weight", until)
            await session.authenticate_websocket()
            await asyncio.sleep(29)
            assert "/time" not in world.server.fetched
            await asyncio.sleep(60)
            assert "/time" in world.server.fetched

    told = live(story).of(events.ClockOffset)
    assert told
