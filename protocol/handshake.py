# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a connection does not come about: libzmq tries for ever and says nothing, but its monitor tells.

A `HandshakeWatch` reads the events of one socket, without a thread and without waiting, and turns them into the
error that a person can act on: nobody listens (NotConnected), the hub does not accept our key (WrongKey), or it is
not the hub that we were paired with (WrongHub). It also sees a connection end that libzmq mends by itself.
"""

from __future__ import annotations

import itertools
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from .errors import MaquetteError, NotConnected, WrongHub, WrongKey

BROKEN_OFF = 3  # handshakes in a row that ended without a word, before it is taken for a wrong key of the hub
EVENTS = (
    zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)

_names = itertools.count()


class HandshakeWatch:
    """Watches a socket that is not connected yet. secured: whether it uses CURVE. address: for the words."""

    def __init__(self, socket: zmq.Socket[bytes], address: str, secured: bool) -> None:
        self.address = address
        self.secured = secured
        self.trouble: MaquetteError | None = None
        self._reached = False
        self._broken_off = 0
        self._ended = False
        name = f"inproc://maquette-handshakes-{next(_names)}"
        socket.monitor(name, EVENTS)
        self._events: zmq.Socket[Any] = socket.context.socket(zmq.PAIR)
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.setsockopt(zmq.RCVHWM, 0)  # a full queue would block libzmq's own thread
        self._events.connect(name)

    @property
    def final(self) -> bool:
        """Whether trying again cannot help until somebody changes a key."""
        return isinstance(self.trouble, (WrongKey, WrongHub))

    @property
    def events(self) -> zmq.Socket[Any]:
        """The socket that has something to read when `look` has something to see."""
        return self._events

    def look(self) -> bool:
        """Take what has happened since the last look into `trouble`; gives whether a connection ended meanwhile."""
        self._ended = False
        while int(self._events.getsockopt(zmq.EVENTS)) & zmq.POLLIN:  # asking costs a tenth of being refused
            self._take(int(recv_monitor_message(self._events, zmq.NOBLOCK)["event"]))
        return self._ended

    def close(self) -> None:
        """Stop watching; before the socket itself is closed."""
        self._events.close(linger=0)

    def _take(self, event: int) -> None:
        if event == zmq.EVENT_CONNECTED:
            self._reached = True
        elif event == zmq.EVENT_DISCONNECTED:
            self._ended = True
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.trouble, self._broken_off = None, 0
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._set(WrongKey(
                f"The hub at {self.address} does not accept this machine's key: it was revoked, or never added.",
                hint="Ask an admin of the hub for a new pairing string (`maquette keys pair`).",
            ))
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and not self.secured:
            self._set(WrongKey(
                f"The hub at {self.address} lets nobody in without a key, and this machine has none for it.",
                hint="Enter the pairing string that `maquette keys pair` printed, instead of the address.",
            ))
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self._set(WrongHub(
                f"What answers at {self.address} is not an encrypted hub.",
                hint="Another program may use the port now; ask an admin of the hub where it runs.",
            ))
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._broken_off += 1
            if self._broken_off >= BROKEN_OFF and self.secured:
                self._set(WrongHub(
                    f"The hub at {self.address} is not the one that this machine was paired with: its key differs.",
                    hint="It may have been set up anew. Ask its admin for a new pairing string; do not use one from "
                    "anybody else.",
                ))
        elif event == zmq.EVENT_CONNECT_RETRIED:
            if not self._reached:
                self._set(NotConnected(
                    f"Nothing listens at {self.address}.",
                    hint="Is the hub running, is the address right, does a firewall stand between? It is tried again.",
                ))
            self._reached = False

    def _set(self, trouble: MaquetteError) -> None:
        if type(trouble) is not type(self.trouble):  # the same again is no news
            self.trouble = trouble
