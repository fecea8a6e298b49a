# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a hub for something as its owner: the one that runs, or its data folder where none does.

A running hub is asked over its connection; it alone writes its store. Otherwise the folder is locked, as a hub would
lock it, and the store is opened for the time of the question.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import zmq

from protocol import framing
from protocol.errors import NotAllowed, TimedOut
from protocol.fields import Message, read
from protocol.keys import Keys, Pairing
from protocol.local import read_connection_file
from protocol.manage import HUB_TO_CLIENT as ANSWERS
from protocol.manage import Manage, Managed
from protocol.messages import HUB_TO_CLIENT, Error, Hello, Rejected

ANSWER_SECONDS = 10.0


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
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        if keys is not None:
            keys.secure(socket)
        socket.connect(address)
        _exchange(socket, Hello(framing.MAJOR, framing.MAJOR, "maquette command", "ctl", token=token))
        answer = _exchange(socket, Manage(action, values))
    assert isinstance(answer, Managed)
    return answer.values


def _exchange(socket: zmq.Socket[bytes], message: Message) -> Message:
    """Send and wait for the answer. Sent once: only a hub that was killed, or a line that broke, loses a message."""
    id, end = os.urandom(16), time.monotonic() + ANSWER_SECONDS
    socket.send_multipart(framing.encode(message.to_envelope(id=id)))
    while (left := end - time.monotonic()) > 0 and socket.poll(int(1000 * left) + 1):
        envelope = framing.decode(socket.recv_multipart())
        if envelope.re != id:
            continue
        answer = read(envelope, {**HUB_TO_CLIENT, **ANSWERS})
        if isinstance(answer, (Error, Rejected)):
            raise answer.error
        return answer
    raise TimedOut("The hub did not answer in time.", hint="It is busy, out of reach, or was killed; look at its log.")
