# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says, on its way out: the two connections, the version that is spoken, and what waits for an answer.

A message is put into the outbox of its connection as frames, in the version that both sides agreed on; a request is
kept as well, and sent again until it is answered. Before a connection stands only a greeting may go out on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from . import framing
from .arrays import Buffer
from .fields import Message
from .messages import Hello, Resume
from .requests import Requests
from .versions import Versions

CTL, BLK = "ctl", "blk"
"""The two connections: control, and bulk, behind which no cancel ever waits."""


class Line:
    """The outgoing side of one session. `new_id` gives 16 random bytes; times are seconds of any steady clock."""

    def __init__(self, versions: Versions, new_id: Callable[[], bytes]) -> None:
        self.versions = versions
        self.major = versions.oldest  # until the hub has chosen one
        self.outbox: dict[str, deque[list[Buffer]]] = {CTL: deque(), BLK: deque()}
        self.ready = {CTL: False, BLK: False}
        self.requests = Requests(self.post, new_id)

    def post(self, channel: str, message: Message, id: bytes = b"") -> None:
        """Say it once."""
        envelope = self.versions.write(message.to_envelope(id=id), self.major)
        self.outbox[channel].append(framing.encode(envelope))

    def request(self, key: Hashable, channel: str, message: Message, now: float) -> None:
        """Say it until it is answered; a request about the same takes the place of the one before."""
        request = self.requests.add(key, channel, message)
        if isinstance(message, Hello) or self.ready[channel]:
            self.requests.send(request, now)

    def tick(self, now: float) -> None:
        """Repeat what is due, where nothing waits to go out."""
        for request in self.requests:
            greeting = isinstance(request.message, Hello)
            if request.due <= now and (greeting or self.ready[request.channel]) and not self.outbox[request.channel]:
                self.requests.send(request, now)

    def stands(self, now: float) -> None:
        """The control connection was welcomed: say everything that waits for an answer."""
        for request in self.requests:
            if request.channel == CTL and not isinstance(request.message, Hello):
                self.requests.send(request, now)

    def broke(self) -> None:
        """What was on its way is gone; the requests are kept, but for those that belong to this very connection."""
        for queue in self.outbox.values():
            queue.clear()
        self.ready.update({CTL: False, BLK: False})
        self.requests.connection_lost((Hello, Resume))
