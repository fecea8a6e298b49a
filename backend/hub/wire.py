# SPDX-License-Identifier: GPL-3.0-or-later
"""A ROUTER socket that speaks messages: what front and back share.

Sending never blocks and says whether it worked: `False` is a peer that is slow (try later) and `Gone` one whose
connection has ended. Nothing is queued here beyond libzmq's own high-water mark.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import zmq

from protocol import framing
from protocol.errors import BadRequest, MaquetteError
from protocol.fields import Message
from protocol.framing import Envelope
from protocol.messages import Error

log = logging.getLogger("maquette.hub")

SEND_QUEUE = 64  # messages to one peer


class Gone(Exception):
    """The peer's connection has ended."""


@dataclass(frozen=True)
class Received:
    """One decoded message and the routing id that it came from."""

    peer: bytes
    envelope: Envelope


class Port:
    """One bound ROUTER. address: `tcp://host:port`, port 0 or taken means any free one."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int) -> None:
        self.socket = context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, 0), (zmq.ROUTER_MANDATORY, 1), (zmq.ROUTER_HANDOVER, 0), (zmq.SNDHWM, SEND_QUEUE),
            (zmq.MAXMSGSIZE, framing.MAX_FRAME), (zmq.HEARTBEAT_IVL, 5000), (zmq.HEARTBEAT_TIMEOUT, 15000),
            (zmq.HANDSHAKE_IVL, 5000), (zmq.TCP_KEEPALIVE, 1),
        ):
            self.socket.setsockopt(option, value)
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
            try:
                return Received(peer.bytes, framing.decode([one.buffer for one in frames]))
            except framing.BadSignature:
                self.unreadable += 1
            except MaquetteError as problem:
                self.unreadable += 1
                self.try_send(peer.bytes, Error(problem))

    def send(self, peer: bytes, message: Message, re: bytes = b"") -> bool:
        """Hand a message to libzmq. False when the peer is slow; raises Gone when it has left."""
        frames = framing.encode(message.to_envelope(re=re))
        try:
            self.socket.send_multipart([peer, *frames], zmq.NOBLOCK, copy=True)
            return True
        except zmq.Again:
            return False
        except zmq.ZMQError as problem:
            if problem.errno == zmq.EHOSTUNREACH:
                raise Gone from problem
            raise

    def try_send(self, peer: bytes, message: Message, re: bytes = b"") -> bool:
        """Send an answer that the peer asks for again if it gets lost."""
        try:
            return self.send(peer, message, re)
        except Gone:
            return False

    def close(self) -> None:
        """Close at once; what was not sent is asked for again."""
        self.socket.close(linger=0)
