# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ZeroMQ sockets of a client, opened and closed together, and the watches that say why one does not connect.

Messages are sent with copy=True and received with copy=False: the other way round pyzmq starts a Python thread (add-on
reference, section 1). Nothing here blocks except `wait`, and nothing knows what the frames mean.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import zmq

from .arrays import Buffer
from .errors import BadRequest
from .framing import MAX_FRAME
from .handshake import HandshakeWatch
from .keys import Keys
from .line import BLK, CTL

IN, OUT = int(zmq.POLLIN), int(zmq.POLLOUT)  # plain numbers: the operators of enums cost an idle poll a lot

Ready = Mapping[Any, int]
"""What each socket and each watch is ready for, as `Sockets.ready` gives it."""


class Sockets:
    """Both connections to one hub, or none."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._watches: dict[str, HandshakeWatch] = {}

    def __bool__(self) -> bool:
        """Whether they are open (which does not mean connected)."""
        return bool(self._sockets)

    @property
    def channels(self) -> list[str]:
        """Those that are open."""
        return list(self._sockets)

    @property
    def watch(self) -> HandshakeWatch | None:
        """That of the control connection."""
        return self._watches.get(CTL)

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._context.closed

    def open(self, address: str, keys: Keys | None) -> None:
        """Begin to connect both. Raises BadRequest for what is no address."""
        for channel, queue in ((CTL, 64), (BLK, 16)):
            socket = self._context.socket(zmq.DEALER)
            for option, value in (
                (zmq.LINGER, 0), (zmq.IMMEDIATE, 1), (zmq.SNDHWM, queue), (zmq.MAXMSGSIZE, MAX_FRAME),
                (zmq.HEARTBEAT_IVL, 5000), (zmq.HEARTBEAT_TIMEOUT, 15000), (zmq.HANDSHAKE_IVL, 5000),
                (zmq.TCP_KEEPALIVE, 1), (zmq.RECONNECT_IVL, 100), (zmq.RECONNECT_IVL_MAX, 5000),
            ):
                socket.setsockopt(option, value)
            if keys is not None:
                keys.secure(socket)
            self._watches[channel] = HandshakeWatch(socket, address, keys is not None)
            try:
                socket.connect(address)
            except zmq.ZMQError as problem:
                socket.close()
                raise BadRequest(
                    f"{address!r} is not an address that can be connected to ({problem}).", path="address",
                    hint="It has the form tcp://host:port.",
                ) from problem
            self._sockets[channel] = socket

    def close(self) -> None:
        """Give both up; what was not sent is lost."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()
        for socket in self._sockets.values():
            socket.close(linger=0)
        self._sockets.clear()

    def end(self) -> None:
        """Close them for good."""
        self.close()
        self._context.term()

    def ready(self) -> Ready:
        """What each socket and each watch is ready for. One question for all: an idle poll does nothing else, and
        asking them one by one, or being refused by each, takes several times as long."""
        asked = [(socket, IN | OUT) for socket in self._sockets.values()]
        asked += [(watch.events, IN) for watch in self._watches.values()]
        return dict(zmq.zmq_poll(asked, 0)) if asked else {}

    def stirred(self, ready: Ready) -> bool:
        """Whether a watch has something to see."""
        return any(watch.events in ready for watch in self._watches.values())

    def broke(self) -> bool:
        """Take what the watches have seen; gives whether a connection ended meanwhile."""
        ended = [watch.look() for watch in self._watches.values()]  # all of them, also after the first that did
        return any(ended)

    def writable(self, ready: Ready) -> bool:
        """Whether all can send: with IMMEDIATE=1 one that cannot has no connection."""
        return all(ready.get(socket, 0) & OUT for socket in self._sockets.values())

    def readable(self, channel: str, ready: Ready) -> bool:
        """Whether a message was there when `ready` was asked."""
        return bool(ready.get(self._sockets[channel], 0) & IN) if channel in self._sockets else False

    def take(self, channel: str) -> list[Buffer] | None:
        """The next message of a connection, None where there is none."""
        try:
            return [one.buffer for one in self._sockets[channel].recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None

    def flush(self, outbox: Mapping[str, deque[list[Buffer]]]) -> None:
        """Send as much of each queue as its connection takes."""
        for channel, socket in self._sockets.items():
            queue = outbox[channel]
            while queue:
                try:
                    socket.send_multipart(queue[0], zmq.NOBLOCK, copy=True)
                except zmq.Again:
                    break
                queue.popleft()

    def wait(self, seconds: float) -> None:
        """Block until a message comes, for so long at most."""
        poller = zmq.Poller()
        for socket in self._sockets.values():
            poller.register(socket, zmq.POLLIN)
        if self._sockets:
            poller.poll(int(seconds * 1000))
        else:
            time.sleep(seconds)
