"""Questions that a fault script asks, and a prompt, which is answered as a notification."""

from __future__ import annotations

from pitwire.sim.faults import AskBack, Fault, LoseAck, Misreport
from tests.sim.ibkr_client import SHEET, Gateway, Phone, quiet_gateway, shape

ODD = "Is the moon made of cheese?"


def meet(*faults: Fault) -> Gateway:
    return Gateway(quiet_gateway(faults=faults)).ready()


def test_a_script_asks_a_chain_and_what_nobody_knows() -> None:
    venue = meet(AskBack(questions=("o354", "o403", ODD)))
    answer = venue.submit()
    asked = []
    while "id" in answer[0]:
        asked.append((answer[0]["messageIds"][0], answer[0]["message"][0].partition(".")[0]))
        answer = venue.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
    assert asked == [
        ("o354", "You are submitting an order without market data"),
        ("o403", "This order will most likely trigger and fill immediately"),
        ("o99999", ODD),
    ]
    assert len(venue.orders()) == 1
    assert "order_id" in venue.submit()[0]


def test_a_reply_may_be_done_and_not_answered_or_not_done() -> None:
    refuses = Misreport(kind="reply", code=1, text="back end took too long", status=503, done=False)
    venue = meet(AskBack(count=2), LoseAck(kind="reply", count=1), refuses)
    (question,) = venue.submit()
    path = f"/iserver/reply/{question['id']}"
    assert venue.post(path, {"confirmed": True}, status=503)["error"] == "back end took too long"
    assert venue.orders() == []
    reply = venue.http("POST", path, {"confirmed": True})
    assert reply.answers
    assert len(venue.orders()) == 1


def test_a_reply_is_lost() -> None:
    venue = meet(AskBack(), LoseAck(kind="reply"))
    (question,) = venue.submit()
    reply = venue.http("POST", f"/iserver/reply/{question['id']}", {"confirmed": True})
    assert not reply.answers
    assert len(venue.orders()) == 1


def test_a_prompt_is_answered_as_a_notification() -> None:
    venue = meet(AskBack(questions=("p12", "o354")))
    phone = venue.socket()
    phone.take()
    (first,) = venue.submit()
    assert first["messageIds"] == ["o354"]
    prompt = venue.post(f"/iserver/reply/{first['id']}", {"confirmed": True})
    assert shape(prompt) == shape(SHEET["prompt"])
    (told,) = phone.hear(0, "ntf")
    wanted = ("orderId", "reqId", "text", "options")
    assert told["args"] == {name: prompt[name] for name in wanted}
    said = {"orderId": prompt["orderId"], "reqId": prompt["reqId"], "text": "Do not use"}
    reply = venue.http("POST", "/iserver/notification", said)
    assert (reply.status, reply.body) == (200, b"Success")
    assert len(venue.orders()) == 1
    assert "error" in venue.post("/iserver/notification", said)


def test_questions_die_with_the_session() -> None:
    venue = meet(AskBack())
    phone: Phone = venue.socket()
    (question,) = venue.submit()
    venue.facade.session.rival(venue.world.clock.now(), None)
    venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    venue.ready()
    assert "error" in venue.post(f"/iserver/reply/{question['id']}", {"confirmed": True})
    assert phone.lost is None
