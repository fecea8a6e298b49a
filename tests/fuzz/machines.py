# SPDX-License-Identifier: GPL-3.0-or-later
"""State machines under fuzz: a client's session, a worker's conversation, and the whole hub.

An input is a script. Its bytes choose what the owner of the machine does, what arrives (true answers, wrong ones,
nonsense) and how much time passes. Whatever arrives: no exception, nothing goes out that the other side could not
read, no durable event is shown twice or out of order, no job ends twice.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bites import Bites
from specimens import DESCRIBED, IN_BLOBS, JOBS, choices
from studio import Studio, alarmed

from backend.worker.conversation import Conversation
from protocol import framing
from protocol.arrays import FRAME_BYTES
from protocol.errors import InternalError
from protocol.fields import Direction, Message, read
from protocol.messages import (
    CLIENT_TO_HUB,
    HUB_TO_CLIENT,
    Accepted,
    Ack,
    BlobCheck,
    BlobGet,
    BlobNeed,
    BlobOk,
    BlobPut,
    Chunk,
    Event,
    Hello,
    Jobs,
    Ping,
    Pong,
    Submit,
    Watch,
    Welcome,
)
from protocol.session import BLK, CTL, Session
from protocol.specs import TextTo3DSpec
from protocol.updates import JobChanged, JobFailed, JobFinished
from protocol.worker_messages import HUB_TO_WORKER, WORKER_TO_HUB, Lease, Ready, WorkerEphemeral

PEERS = tuple(b"\0\0\0\0" + one for one in (b"1", b"2", b"3", b"4"))  # ids as libzmq makes them; others are dropped
STEPS = 60
WAITS = (0.0, 0.05, 0.3, 1.0, 2.5, 6.0, 16.0, 40.0)
SPEC = TextTo3DSpec("a chair", seed=1)
BYTES = {one.hash: bytes(data) for one, data in DESCRIBED}
NEAR = {"seq": (1, 2, 3, 4), "fence": (1, 2, 3), "number": (1, 2, 3), "stream": (1, 2, 3), "after_seq": (0, 1, 9)}


def some_message(bites: Bites, direction: Direction) -> Message:
    """A valid message of a direction, about the jobs, streams and fences that are in play."""
    kind = direction[bites.pick(tuple(direction))]
    values = {}
    for name, allowed in choices(kind).items():
        near = NEAR.get(name, JOBS if name == "job" else ())
        values[name] = bites.pick(near) if near and bites.below(8) else bites.pick(allowed)
    return kind(**values)


def some_frames(bites: Bites, direction: Direction, ids: list[bytes]) -> list[bytes]:
    """A message as frames: mostly readable, mostly an answer to something that was asked."""
    re = ids[-1 - bites.below(min(len(ids), 8))] if ids and bites.below(4) else bytes(16)
    envelope = some_message(bites, direction).to_envelope(re=re, id=bytes((bites.byte(),)) * 16)
    frames = [bytes(one) for one in framing.encode(envelope)]
    if bites.below(16) == 0:
        which = bites.below(len(frames))
        frames[which] = frames[which][: bites.byte()] + bites.take(8) + frames[which][bites.byte() :]
    return frames


def sent(frames: list[Any], direction: Direction) -> tuple[Message, bytes]:
    """What a machine sends must be readable for the other side."""
    envelope = framing.decode(frames)
    return read(envelope, direction), envelope.id


def session(data: bytes) -> None:
    """A client against a hub that answers truly, wrongly, or not at all."""
    bites, numbers, now = Bites(data), itertools.count(1), 0.0
    machine = Session(software="fuzz", token=b"", new_id=lambda: next(numbers).to_bytes(16, "big"))
    machine.opened(now)
    asked: list[tuple[str, Message, bytes]] = []
    ids: list[bytes] = []
    last: dict[str, int] = {}
    ended: set[str] = set()

    def settle() -> None:
        for channel, queue in machine.outbox.items():
            assert len(queue) < 2000
            while queue:
                message, id = sent(queue.popleft(), CLIENT_TO_HUB)
                asked.append((channel, message, id))
                ids.append(id)
        for update in machine.updates:
            if isinstance(update, JobChanged):
                assert update.seq > last.get(update.job, 0), "a durable event came twice or too late"
                last[update.job] = update.seq
            elif isinstance(update, (JobFinished, JobFailed)):
                assert update.job not in ended, "a job ended twice"
                ended.add(update.job)
        machine.updates.clear()

    def begin_again(job: str, seq: int = 0) -> None:
        last[job] = seq
        ended.discard(job)

    for _ in range(STEPS):
        if not bites.left:
            break
        what, job = bites.below(16), bites.pick(JOBS)
        if what < 5 and asked:
            channel, message, id = asked.pop(bites.below(min(len(asked), 4)))
            for answer in true_answers(message, bites):
                machine.receive(channel, framing.encode(answer.to_envelope(re=id)), now)
        elif what < 9:
            machine.receive(bites.pick((CTL, BLK)), some_frames(bites, HUB_TO_CLIENT, ids), now)
        elif what < 11:
            now += bites.pick(WAITS)
            machine.tick(now)
        elif what == 11:
            begin_again(job)
            machine.submit(SPEC, job, now)
        elif what == 12:
            machine.cancel(job, now)
        elif what == 13:
            begin_again(job, seq := bites.below(4))
            machine.watch(job, seq, now)
        elif what == 14:
            machine.forget(job)
            begin_again(job)
        else:
            bites.pick((machine.opened, machine.lost))(now)
        settle()


def true_answers(message: Message, bites: Bites) -> list[Message]:
    """What an honest hub says to a client's message."""
    if isinstance(message, Hello):
        return [Welcome(1, "fuzz", bytes(16), 1, window=FRAME_BYTES)]
    if isinstance(message, Ping):
        return [Pong()]
    if isinstance(message, Submit):
        return [Accepted(message.submit_key.hex())]
    if isinstance(message, Watch):
        at = message.after_seq + 1
        more = [Event(message.job, at, "state", bites.pick(("QUEUED", "LEASED", "RUNNING")), 1)]
        if bites.below(2):
            more.append(Event(message.job, at + 1, "state", "SUCCEEDED", 1, arrays=IN_BLOBS[: bites.below(5)]))
        return [Jobs(()), *more]
    if isinstance(message, BlobGet) and message.hash in BYTES:
        whole = BYTES[message.hash]
        piece = whole[message.offset : message.offset + message.credit]
        return [Chunk(message.stream, message.hash, message.offset, len(whole), (piece,))] if piece else []
    return []


def worker(data: bytes) -> None:
    """A worker against such a hub, and a job that begins, shows, warns, ends and gives up at any moment."""
    bites, numbers, now = Bites(data), itertools.count(1), 0.0
    talk = Conversation("w", 1, b"", lambda: next(numbers).to_bytes(16, "big"))
    talk.opened(now)
    asked: list[tuple[Message, bytes]] = []
    ids: list[bytes] = []
    for _ in range(STEPS):
        if not bites.left:
            break
        what, held = bites.below(16), talk.held
        if what < 5 and asked:
            message, id = asked.pop(bites.below(min(len(asked), 4)))
            for answer in true_answers_to_worker(message, bites):
                talk.receive(framing.encode(answer.to_envelope(re=id)), now)
        elif what < 9:
            talk.receive(some_frames(bites, HUB_TO_WORKER, ids), now)
        elif what < 11:
            now += bites.pick(WAITS)
            talk.tick(now)
        elif what == 11 and talk.leases:
            talk.begin(talk.leases.popleft(), now)
        elif what == 12 and held is not None:
            talk.show(held, WorkerEphemeral(held.lease.job, fence=held.lease.fence, counter=1))
            talk.warn(held, "x" * bites.byte(), now)
        elif what == 13 and held is not None and talk.computing:
            talk.deliver(held, [(one, memoryview(part)) for one, part in DESCRIBED[: bites.below(5)]], now)
        elif what == 14 and held is not None and talk.computing:
            talk.fail(held, InternalError("It broke."), now)
        elif what == 15:
            talk.opened(now) if bites.below(4) else talk.leave("Enough.", now)
        assert len(talk.outbox) < 2000
        while talk.outbox:
            message, id = sent(talk.outbox.popleft(), WORKER_TO_HUB)
            asked.append((message, id))
            ids.append(id)
        assert talk.held is None or talk.held.lease.fence > talk.ended_fence, "an old lease is held"


def true_answers_to_worker(message: Message, bites: Bites) -> list[Message]:
    """What an honest hub says to a worker's message."""
    if isinstance(message, Ready):
        fence = bites.below(6)
        return [Welcome(1, "fuzz", b"w", 1), *([Lease(bites.pick(JOBS), 1, fence, 10.0, SPEC.kind, SPEC.to_map())])]
    if isinstance(message, BlobCheck):
        return [BlobNeed(digest, 0) if bites.below(4) else BlobOk(digest, size, True) for digest, size in message.blobs]
    if isinstance(message, BlobPut):
        have = message.offset + len(message.payload[0])
        return [BlobOk(message.hash, have, have == message.size)]
    return [Ack()]


def hub(data: bytes) -> None:
    """The whole hub with its store against four peers on either port, each of whom may be anybody."""
    bites = Bites(data)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder, alarmed():
        studio = Studio(Path(folder))
        assert studio.hub is not None
        token = bytes.fromhex(studio.hub.info.token)
        ports: tuple[tuple[Any, Direction, Direction], ...] = (
            (studio._front(), CLIENT_TO_HUB, HUB_TO_CLIENT), (studio._back(), WORKER_TO_HUB, HUB_TO_WORKER),
        )
        greetings = [
            [Hello(1, 1, "fuzz", CTL, (), token)], [Ready("w1", 1, "fuzz", 1, 1, {}, token)],
        ]
        ids: list[bytes] = []
        sids: list[bytes] = []
        for router, _, _ in ports:
            for peer in PEERS:
                router.peers[peer] = deque()
        for step in range(STEPS):
            if not bites.left:
                break
            place = bites.below(2)
            router, incoming, outgoing = ports[place]
            peer = bites.pick(PEERS)
            what = bites.below(12)
            if what == 0:
                studio.now += bites.pick(WAITS)
            elif what < 3 or step < 2:
                message: Message = greetings[place][0]
                if place == 0 and sids and bites.below(2):
                    message = Hello(1, 1, "fuzz", BLK, (), token, bites.pick(sids))
                router.inbox.append((peer, [bytes(one) for one in framing.encode(message.to_envelope(id=bytes(16)))]))
            elif what == 3 and place == 0:
                key = bytes.fromhex(bites.pick(JOBS))
                message = Submit(key, SPEC.kind, SPEC.to_map())
                router.inbox.append((peer, [bytes(one) for one in framing.encode(message.to_envelope(id=bytes(16)))]))
            elif what == 5 and place == 0:
                message = Watch(bites.pick(JOBS))
                router.inbox.append((peer, [bytes(one) for one in framing.encode(message.to_envelope(id=bytes(16)))]))
            elif what == 4 and place == 1:
                one, part = bites.pick(DESCRIBED)
                message = BlobPut(one.hash, 0, one.size, (bytes(part),))
                router.inbox.append((peer, [bytes(one) for one in framing.encode(message.to_envelope(id=bytes(16)))]))
            else:
                router.inbox.append((peer, some_frames(bites, incoming, ids)))
            studio.turn(0.05)
            for known, (other, _, leaving) in ((place, one) for place, one in enumerate(ports)):
                for queue in other.peers.values():
                    while queue:
                        answer, id = sent(queue.popleft(), leaving)
                        ids.append(id)
                        if known == 0 and isinstance(answer, Welcome):
                            sids.append(answer.sid)
        for job in JOBS:
            log = studio.hub.store.events_after(job, 0, 10_000)
            assert [one.seq for one in log] == list(range(1, len(log) + 1)), "a gap in a job's log"
            ends = [one for one in log if one.state in ("SUCCEEDED", "FAILED", "CANCELLED")]
            assert len(ends) <= 1 and (not ends or ends[0].seq == len(log)), "a job went on after its end"
        studio.kill_hub()


MACHINES: dict[str, Callable[[bytes], None]] = {"session": session, "worker": worker, "hub": hub}
