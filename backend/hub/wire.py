# SPDX-License-Identifier: GPL-3.0-or-later
"""A ROUTER socket that speaks messages: what front and back share.

Sending never blocks and says whether it worked: `False` is a peer that is slow (try later) and `Gone` one whose
connection has ended. Nothing is queued here beyond libzmq's own high-water mark. With a lock (`zap`) the socket
speaks CURVE, and every message carries the public key that it came from.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from dataclasses import dataclass
from typing import Any

import zmq

from backend.hub.zap import Lock
from protocol import framing
from protocol.errors import BadRequest, MaquetteError
from protocol.fields import Message
from protocol.framing import Envelope
from protocol.messages import Error
from protocol.versions import OURS, Versions

log = logging.getLogger("maquette.hub")

SEND_QUEUE = 64  # messages to one peer
# Messages from one peer that libzmq takes before it stops reading. A small one holds a buffer of 8 KiB: with libzmq's
# own 1,000, a hub too busy for 200 clients grew to 2.4 GiB.
RECEIVE_QUEUE = 32
MAX_OLDER = 4096  # peers of an older version that are remembered
BACKLOG = 512  # connections that wait to be accepted
TURNS_TO_CUT = 2  # so that the last words are on their way


class Gone(Exception):
    """The peer's connection has ended."""


@dataclass(frozen=True)
class Line:
    """The TCP connection that a message came by. descriptor: of the operating system. far_end: its address there."""

    descriptor: int
    far_end: Any

    @classmethod
    def of(cls, descriptor: int) -> Line | None:
        """The connection behind a descriptor of libzmq's; None when it is gone."""
        if descriptor < 0:
            return None
        try:
            view = socket.socket(fileno=descriptor)
        except OSError:
            return None
        try:
            return cls(descriptor, view.getpeername())
        except OSError:
            return None
        finally:
            view.detach()  # it stays libzmq's

    def cut(self) -> bool:
        """End it, unless the descriptor is another connection's by now. libzmq sees it end and forgets the peer."""
        if Line.of(self.descriptor) != self:
            return False
        view = socket.socket(fileno=self.descriptor)
        with contextlib.suppress(OSError):
            view.shutdown(socket.SHUT_RDWR)
        view.detach()
        return True


@dataclass(frozen=True)
class Received:
    """One decoded message and where it came from.

    peer: routing id. key: public key as hex, empty without CURVE. descriptor: of the connection, see `Line`.
    """

    peer: bytes
    envelope: Envelope
    key: str = ""
    descriptor: int = -1


class Port:
    """One bound ROUTER. address: `tcp://host:port`, port 0 or taken means any free one. lock: to speak CURVE."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int, lock: Lock | None = None,
        versions: Versions = OURS,
    ) -> None:
        self.versions = versions
        self._majors: dict[bytes, int] = {}  # of peers that speak an older one than the newest
        self.socket = context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, 0), (zmq.ROUTER_MANDATORY, 1), (zmq.ROUTER_HANDOVER, 0), (zmq.SNDHWM, SEND_QUEUE),
            (zmq.RCVHWM, RECEIVE_QUEUE),
            (zmq.MAXMSGSIZE, framing.MAX_FRAME), (zmq.HEARTBEAT_IVL, 5000), (zmq.HEARTBEAT_TIMEOUT, 15000),
            (zmq.HANDSHAKE_IVL, 5000), (zmq.TCP_KEEPALIVE, 1), (zmq.BACKLOG, BACKLOG),
        ):
            self.socket.setsockopt(option, value)
        self._locked = lock is not None
        if lock is not None:
            lock.fit(self.socket)
        try:
            self.socket.bind(f"tcp://{host}:{port or '*'}")
        except zmq.ZMQError as problem:
            self.socket.close()
            raise BadRequest(
                f"Port {port} on {host} cannot be used ({problem}).", path="port",
                hint="Use --port 0 for any free port.",
            ) from problem
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.unreadable = 0
        self._to_cut: list[tuple[int, Line]] = []

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self.address.rsplit(":", 1)[1])

    def receive(self) -> Received | None:
        """The next readable message, or None when there is none now. Unreadable ones are counted and dropped."""
        while True:
            try:
                peer, *frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            routing_id = peer.bytes
            if routing_id[:1] != b"\0" or not frames:  # those that libzmq makes begin so: nobody chooses another's
                self.unreadable += 1
                continue
            try:
                key = str(frames[0].get("User-Id")) if self._locked else ""
                envelope = framing.decode([one.buffer for one in frames])
                if envelope.major != self._majors.get(routing_id, self.versions.newest):
                    self.speak(routing_id, envelope.major)
                return Received(routing_id, self.versions.read(envelope), key, int(frames[0].get(zmq.SRCFD)))
            except framing.BadSignature:
                self.unreadable += 1
            except MaquetteError as problem:
                self.unreadable += 1
                self.try_send(peer.bytes, Error(problem))

    def send(self, peer: bytes, message: Message, re: bytes = b"") -> bool:
        """Hand a message to libzmq. False when the peer is slow; raises Gone when it has left."""
        envelope = message.to_envelope(re=re)
        if peer in self._majors:
            envelope = self.versions.write(envelope, self._majors[peer])
        frames = framing.encode(envelope)
        try:
            # Without a copy from 64 KiB on (pyzmq's own threshold), so what a message holds must never change.
            self.socket.send_multipart([peer, *frames], zmq.NOBLOCK, copy=False)
            return True
        except zmq.Again:
            return False
        except zmq.ZMQError as problem:
            if problem.errno == zmq.EHOSTUNREACH:
                raise Gone from problem
            raise

    def speak(self, peer: bytes, major: int) -> None:
        """The version that the peer is answered in: what was chosen, or else what it wrote last."""
        self._majors.pop(peer, None)
        if major != self.versions.newest:
            self._majors[peer] = major
            if len(self._majors) > MAX_OLDER:  # they are told once more what they speak when they write again
                del self._majors[next(iter(self._majors))]

    def try_send(self, peer: bytes, message: Message, re: bytes = b"") -> bool:
        """Send an answer that the peer asks for again if it gets lost."""
        try:
            return self.send(peer, message, re)
        except Gone:
            return False

    def part(self, peer: bytes, line: Line | None, last: Message) -> None:
        """Say one last thing to a peer and end its connection in a moment."""
        self.try_send(peer, last)
        if line is not None:
            self._to_cut.append((TURNS_TO_CUT, line))

    def tick(self) -> None:
        """End the connections whose time has come."""
        due = [line for turns, line in self._to_cut if turns <= 1]
        self._to_cut = [(turns - 1, line) for turns, line in self._to_cut if turns > 1]
        for line in due:
            line.cut()

    def close(self) -> None:
        """Close at once; what was not sent is asked for again."""
        self.socket.close(linger=0)
