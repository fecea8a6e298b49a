# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a hub for something as its owner: the one that runs, or its data folder where none does.

A running hub is asked over its connection; it alone writes its store. Otherwise the folder is locked, as a hub would
lock it, and the store is opened for the time of the question.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq

from protocol import framing
from protocol.errors import NotAllowed, TimedOut
from protocol.fields import Message, read
from protocol.handshake import HandshakeWatch
from protocol.keys import Keys, Pairing
from protocol.local import read_connection_file
from protocol.manage import HUB_TO_CLIENT as ANSWERS
from protocol.manage import Manage, Managed
from protocol.messages import HUB_TO_CLIENT, Bye, Error, Hello, Rejected, Welcome

ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 3.0  # for a hub that is just being started
LOOK_MS = 100


def manage(data: Path, action: str, values: dict[str, Any]) -> dict[str, Any]:
    """Carry out an action of `backend.hub.manage`. Raises its errors, NotConnected, TimedOut."""
    from backend.hub.server import lock_folder

    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock = lock_folder(data)
    except NotAllowed:
        return ask_running(data, action, values)
    try:
        return _alone(data, action, values)
    finally:
        lock.close()


def _alone(data: Path, action: str, values: dict[str, Any]) -> dict[str, Any]:
    from backend.hub.accounts import OWNER, Accounts
    from backend.hub.manage import Management
    from backend.hub.store import Store

    store = Store(data / "hub.sqlite", time.time)
    try:
        return Management(store, Accounts(store, time.time)).do(OWNER, action, values)
    finally:
        store.close()


def ask_running(data: Path, action: str, values: dict[str, Any]) -> dict[str, Any]:
    """The same of a hub that must run. Raises NotConnected, TimedOut, and what the action raises."""
    info = read_connection_file(data)
    return _ask(info.address, info.keys, info.secret, action, values)


def ask_studio(pairing: Pairing, action: str, values: dict[str, Any]) -> dict[str, Any]:
    """The same of a hub on another machine, as the user whose pairing string it is."""
    return _ask(pairing.address, pairing.keys, b"", action, values)


def _ask(address: str, keys: Keys | None, token: bytes, action: str, values: dict[str, Any]) -> dict[str, Any]:
    with _talk(address, keys, token) as talk:
        return talk.manage(action, values)


@contextlib.contextmanager
def talk_with(data: Path, pairing: Pairing | None) -> Iterator[Talk]:
    """A talk with the hub that runs in a data folder, or with a studio's. Raises NotConnected, TimedOut."""
    if pairing is not None:
        with _talk(pairing.address, pairing.keys, b"") as talk:
            yield talk
        return
    info = read_connection_file(data)
    with _talk(info.address, info.keys, info.secret) as talk:
        yield talk


@contextlib.contextmanager
def _talk(address: str, keys: Keys | None, token: bytes) -> Iterator[Talk]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket, contextlib.ExitStack() as stack:
        socket.setsockopt(zmq.LINGER, 0)
        if keys is not None:
            keys.secure(socket)
        watch = stack.enter_context(contextlib.closing(HandshakeWatch(socket, address, keys is not None)))
        socket.connect(address)
        talk = Talk(socket, watch)
        welcome = talk.ask(Hello(framing.MAJOR, framing.MAJOR, "maquette command", "ctl", token=token))
        assert isinstance(welcome, Welcome)
        talk.user = welcome.user
        yield talk
        socket.send_multipart(framing.encode(Bye().to_envelope(id=os.urandom(16))))
        time.sleep(0.01)  # for libzmq to send it; one that is lost costs the hub an idle session for a while


class Talk:
    """Questions and answers, one after another. user: who the hub takes us for."""

    def __init__(self, socket: zmq.Socket[bytes], watch: HandshakeWatch) -> None:
        self._socket, self._watch = socket, watch
        self._unasked: deque[Message] = deque()
        self.user = ""

    def ask(self, message: Message) -> Message:
        """The answer. Raises what the hub refuses with, WrongKey, WrongHub, NotConnected, TimedOut. Sent once: only a
        hub that was killed, or a line that broke, loses a message."""
        id, began = os.urandom(16), time.monotonic()
        self._socket.send_multipart(framing.encode(message.to_envelope(id=id)))
        while (waited := time.monotonic() - began) < ANSWER_SECONDS:
            if not self._socket.poll(LOOK_MS):
                self._watch.look()
                if self._watch.trouble is not None and (self._watch.final or waited > CONNECT_SECONDS):
                    raise self._watch.trouble
                continue
            envelope = framing.decode(self._socket.recv_multipart())
            answer = read(envelope, {**HUB_TO_CLIENT, **ANSWERS})
            if envelope.re != id:
                self._unasked.append(answer)
                continue
            if isinstance(answer, (Error, Rejected)):
                raise answer.error
            return answer
        raise TimedOut("The hub did not answer in time.", hint="It is busy, out of reach, or was killed; look at its "
                                                               "log.")

    def manage(self, action: str, values: dict[str, Any]) -> dict[str, Any]:
        """Carry out an action of `backend.hub.manage`, or `status`."""
        answer = self.ask(Manage(action, values))
        assert isinstance(answer, Managed)
        return answer.values

    def next(self) -> Message:
        """What the hub says without being asked, one at a time. Raises TimedOut when it says nothing."""
        if self._unasked:
            return self._unasked.popleft()
        if not self._socket.poll(int(1000 * ANSWER_SECONDS)):
            raise TimedOut("The hub did not answer in time.")
        return read(framing.decode(self._socket.recv_multipart()), {**HUB_TO_CLIENT, **ANSWERS})
