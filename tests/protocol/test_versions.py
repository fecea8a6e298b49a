# SPDX-License-Identifier: GPL-3.0-or-later
"""A side that speaks N serves N - 1 as well: hub and client with an invented version before ours, both ways round.

In the invented version 0 a job was ended with ABORT, its events said `status` where ours say `state`, and the state
QUEUED was called PENDING; a client of it knows nothing else.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgpack
import pytest
import zmq

from backend.hub.server import Hub, HubOptions
from protocol import framing
from protocol.errors import Cancelled, UnknownSession, VersionMismatch
from protocol.framing import Envelope
from protocol.messages import Accepted, Cancel, Event, Hello, Rejected, Submit, Welcome
from protocol.session import BLK, CTL, Session
from protocol.specs import TextTo3DSpec
from protocol.updates import ConnectionState
from protocol.versions import OURS, Adapter, Versions

JOB = "ab" * 16


class Before(Adapter):
    """Version 0, as told above."""

    def up(self, envelope):
        body = dict(envelope.body)
        if "status" in body:
            body["state"] = "QUEUED" if body["status"] == "PENDING" else body["status"]
            del body["status"]
        return replace(envelope, type="CANCEL" if envelope.type == "ABORT" else envelope.type, body=body)

    def down(self, envelope):
        body = dict(envelope.body)
        if envelope.type == "EVENT" and "state" in body:
            body["status"] = "PENDING" if body["state"] == "QUEUED" else body["state"]
            del body["state"]
        return replace(envelope, type="ABORT" if envelope.type == "CANCEL" else envelope.type, body=body)


BOTH = Versions(0, 1, {0: Before()})
ONLY_OLD = Versions(0, 0)


def session(versions):
    ids = itertools.count(1)
    return Session(software="test", token=b"", new_id=lambda: next(ids).to_bytes(16, "big"), versions=versions)


def test_the_best_common_version_is_chosen():
    assert BOTH.choose(0, 0) == 0 and BOTH.choose(0, 5) == 1 and BOTH.choose(1, 1) == 1
    assert BOTH.choose(2, 3) is None and Versions(1, 1).choose(0, 0) is None
    with pytest.raises(ValueError, match="adapter"):
        Versions(0, 1)


def test_there_and_back_is_the_same():
    for message in (Cancel(JOB), Event(JOB, 1, "state", "QUEUED"), Event(JOB, 2, "state", "RUNNING"), Accepted(JOB)):
        ours = message.to_envelope()
        old = BOTH.write(ours, 0)
        assert old.major == 0 and BOTH.read(old) == ours
        assert framing.decode(framing.encode(old)) == old
    assert BOTH.write(Cancel(JOB).to_envelope(), 0).type == "ABORT"
    assert BOTH.write(Cancel(JOB).to_envelope(), 1) == Cancel(JOB).to_envelope()


def test_other_versions_are_refused_but_greetings_are_read():
    with pytest.raises(VersionMismatch):
        OURS.read(Envelope("PING", major=7))
    hello = OURS.read(replace(Hello(6, 7, "new", "ctl").to_envelope(), major=6))
    assert hello.body["min_major"] == 6
    refusal = OURS.refusal(6, 7, "maquette 1", "maquette 9", "client")
    assert "version 1" in refusal.message and "versions 6 to 7" in refusal.message
    assert refusal.hint.startswith("Update the hub")
    refusal = Versions(3, 4, {3: Adapter()}).refusal(1, 2, "maquette 9", "maquette 1", "client")
    assert refusal.hint.startswith("Update the client") and refusal.detail["older"] == "the client"
    assert replace(Rejected(refusal).to_envelope(), major=2) == Versions(3, 4, {3: Adapter()}).write(
        Rejected(refusal).to_envelope(), 2
    )


class OldClient:
    """Speaks version 0 in bytes, as a program of that time would."""

    def __init__(self, hub):
        self.hub, self.context = hub, zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(hub.info.address)

    def ask(self, head):
        self.socket.send_multipart([framing.SIGNATURE + b"\0\0", msgpack.packb({"id": bytes(16), **head})])
        found = []
        for _ in range(30):
            self.hub.turn(0.005)
            while self.socket.poll(1):
                first, header, *_ = self.socket.recv_multipart()
                assert first == framing.SIGNATURE + b"\0\0"
                found.append(msgpack.unpackb(header))
        return found

    def close(self):
        self.socket.close()
        self.context.term()


@pytest.fixture
def hub(tmp_path):
    made = Hub(HubOptions(tmp_path / "data", worker=False, encrypt=False))
    yield made
    made.stop()


def test_a_client_of_the_version_before_is_served_by_the_hub(hub):
    hub.front.port.versions = BOTH
    old = OldClient(hub)
    try:
        hello = {"min_major": 0, "max_major": 0, "software": "old", "channel": "ctl", "token": hub.info.secret}
        (unknown,) = old.ask({"t": "ABORT", "job": bytes(16)})
        assert unknown["b"]["error"]["code"] == UnknownSession.code  # answered in the words it can read
        (welcome,) = old.ask({"t": "HELLO", "b": hello})
        assert welcome["t"] == "WELCOME" and welcome["b"]["major"] == 0
        spec = TextTo3DSpec("a chair").to_map()
        (accepted,) = old.ask({"t": "SUBMIT", "b": {"submit_key": bytes(16), "kind": "text_to_3d", "spec": spec}})
        assert accepted["t"] == "ACCEPTED"
        answers = old.ask({"t": "WATCH", "job": bytes(16), "b": {"after_seq": 0}})
        assert [one["b"]["status"] for one in answers if one["t"] == "EVENT"] == ["PENDING"]
        answers = old.ask({"t": "ABORT", "job": bytes(16)})
        assert [one["b"]["status"] for one in answers if one["t"] == "EVENT"] == ["CANCELLED"]
        (unknown,) = old.ask({"t": "FROM_THE_PAST"})
        assert unknown["b"]["error"]["code"] == "unknown_type"
    finally:
        old.close()


def test_a_client_that_is_too_old_is_told_what_to_update(hub):
    old = OldClient(hub)
    try:
        hello = {"min_major": 0, "max_major": 0, "software": "old 0.0", "channel": "ctl", "token": hub.info.secret}
        (refused,) = old.ask({"t": "HELLO", "b": hello})
        error = refused["b"]["error"]
        assert refused["t"] == "REJECTED" and error["code"] == "version"
        assert "version 1" in error["message"] and "version 0" in error["message"] and "old 0.0" in error["message"]
        assert error["hint"].startswith("Update the client") and error["detail"]["peer_max"] == 0
    finally:
        old.close()


def test_our_client_falls_back_to_the_version_of_an_older_hub():
    client = session(BOTH)
    client.opened(0.0)
    frames = client.outbox[CTL].popleft()
    assert frames[0][2] == 0  # the oldest, which any hub that shares a version can read
    hello = framing.decode(frames)
    assert (hello.body["min_major"], hello.body["max_major"]) == (0, 1)
    welcome = Welcome(0, "old hub", b"sid", 1).to_envelope(re=hello.id)
    client.receive(CTL, framing.encode(replace(welcome, major=0)), 0.0)
    assert client.state is ConnectionState.READY
    client.submit(TextTo3DSpec("a chair"), JOB, 0.0)
    submit = framing.decode(client.outbox[CTL].popleft())
    assert submit.major == 0 and submit.type == Submit.TYPE
    client.receive(CTL, framing.encode(replace(Accepted(JOB).to_envelope(re=submit.id), major=0)), 0.0)
    client.cancel(JOB, 0.0)
    assert [framing.decode(one).type for one in client.outbox[CTL]][-1] == "ABORT"
    assert framing.decode(client.outbox[BLK][0]).major == 0
    for seq, status in ((1, "PENDING"), (2, "CANCELLED")):
        event = Envelope("EVENT", job=JOB, seq=seq, body={"kind": "state", "status": status}, major=0)
        client.receive(CTL, framing.encode(event), 0.0)
    assert client.jobs[JOB].state == "CANCELLED" and isinstance(client.jobs[JOB].error, Cancelled)
    client.lost(1.0)
    assert client.outbox[CTL][-1][0][2] == 0  # greets as at the beginning: the next hub may be a newer one


def test_our_client_shows_the_refusal_of_any_hub():
    client = session(OURS)
    client.opened(0.0)
    hello = framing.decode(client.outbox[CTL].popleft())
    refusal = Versions(6, 7, {6: Adapter()}).refusal(1, 1, "maquette 9", "test", "client")
    answer = replace(Rejected(refusal).to_envelope(re=hello.id), major=7)
    client.receive(CTL, framing.encode(answer), 0.0)
    assert client.state is ConnectionState.REFUSED and isinstance(client.problem, VersionMismatch)
    assert client.problem.hint.startswith("Update the client")


def test_an_old_worker_greets_in_its_own_words():
    from backend.worker.conversation import Conversation

    talk = Conversation("w-1", 1, b"", lambda: bytes(16), versions=ONLY_OLD)
    talk.opened(0.0)
    ready = framing.decode(talk.outbox[0])
    assert ready.major == 0 and (ready.body["min_major"], ready.body["max_major"]) == (0, 0)
