# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may open a connection: the ZAP handler (ZeroMQ RFC 27), on a socket of the hub's own loop.

libzmq asks here during each CURVE handshake whether the peer's public key is known, and does nothing else with the
connection until the answer is there. Every way to go wrong ends in a refusal: a port without this handler refuses
everybody (ZAP_ENFORCE_DOMAIN), and so does a request of another domain, mechanism or length. The peer's public key
becomes the User-Id of all its messages, which front and back look up again for each of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import zmq

from protocol.keys import KEY_BYTES

log = logging.getLogger("maquette.hub")

ENDPOINT = "inproc://zeromq.zap.01"
FRONT, BACK = "maquette.front", "maquette.back"
ANSWERS_A_TURN = 64  # so that a flood of handshakes never holds up those who are in
VERSION = b"1.0"


@dataclass(frozen=True)
class Lock:
    """What makes a bound socket speak CURVE: the domain it stands for, and the hub's secret key."""

    domain: str
    secret: bytes = field(repr=False)

    def fit(self, socket: zmq.Socket[bytes]) -> None:
        """Before bind: nobody gets in without a handshake that the handler allowed."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, self.domain.encode())
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


class Doorkeeper:
    """The handler. knows: whether a public key (64 hex digits) may enter a domain. One for each context."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], knows: Callable[[str, str], bool],
        on_refused: Callable[[str, str, str], None] = lambda domain, key, address: None,
    ) -> None:
        self._knows = knows
        self._on_refused = on_refused
        self.admitted = 0
        self.refused = 0
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ENDPOINT)

    def turn(self) -> None:
        """Answer the handshakes that wait, a bounded number of them."""
        for _ in range(ANSWERS_A_TURN):
            try:
                request = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.socket.send_multipart(self._answer(request))

    def _answer(self, request: list[bytes]) -> list[bytes]:
        if len(request) < 6 or request[0] != VERSION:
            self.refused += 1
            return [VERSION, request[1] if len(request) > 1 else b"", b"500", b"not a ZAP 1.0 request", b"", b""]
        _, number, domain, address, _, mechanism, *credentials = request
        place = domain.decode("ascii", "replace")
        if place not in (FRONT, BACK) or mechanism != b"CURVE" or [len(one) for one in credentials] != [KEY_BYTES]:
            self.refused += 1
            log.warning("refused a handshake by %s for domain %r", mechanism, place)
            return [VERSION, number, b"400", b"not let in", b"", b""]
        key = credentials[0].hex()
        if not self._knows(place, key):
            self.refused += 1
            self._on_refused(place, key, address.decode("ascii", "replace"))
            return [VERSION, number, b"400", b"not let in", b"", b""]
        self.admitted += 1
        return [VERSION, number, b"200", b"welcome", key.encode(), b""]

    def close(self) -> None:
        """From here on nobody is let in."""
        self.socket.close(linger=0)
