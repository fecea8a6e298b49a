# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions of the protocol are spoken here, and how a message of the one before becomes one of ours and back.

Within a major version the protocol only ever gains: optional fields, which an older side ignores, and types, which it
answers with `unknown_type`. What removes or changes a meaning is a new major. A side serves the newest major N and
N - 1: all code is written for N, and an adapter per older major translates envelopes at the door. HELLO and READY
name the range that their side can speak and are written in the oldest of it, the answer in the major that was chosen,
and so is everything after it. These two and REJECTED never change, so that a refusal can be read by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .errors import VersionMismatch
from .framing import MAJOR, Envelope


class Adapter:
    """Translates between one major and the next. The base translates nothing; a new major brings a subclass."""

    def up(self, envelope: Envelope) -> Envelope:
        """A message of this major as one of the next."""
        return envelope

    def down(self, envelope: Envelope) -> Envelope:
        """A message of the next major as one of this."""
        return envelope


GREETINGS = ("HELLO", "READY", "REJECTED")  # the same in every major


@dataclass(frozen=True)
class Versions:
    """The majors from `oldest` to `newest`. adapters: for each major but the newest, the way to the one after it."""

    oldest: int = MAJOR
    newest: int = MAJOR
    adapters: Mapping[int, Adapter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.oldest <= self.newest <= 255 or set(self.adapters) < set(range(self.oldest, self.newest)):
            raise ValueError("each major but the newest needs an adapter")

    def choose(self, low: int, high: int) -> int | None:
        """The newest major that both sides speak, or None."""
        best = min(self.newest, high)
        return best if best >= max(self.oldest, low) else None

    def read(self, envelope: Envelope) -> Envelope:
        """A message that came in, as one of the newest major. Raises VersionMismatch for a major not spoken here."""
        if not self.oldest <= envelope.major <= self.newest:
            if envelope.type in GREETINGS:
                return replace(envelope, major=self.newest)
            raise VersionMismatch(
                f"The message is of version {envelope.major} of the protocol, here {self.words} is spoken.",
                hint="Update the older of the two sides.",
            )
        for major in range(envelope.major, self.newest):
            envelope = self.adapters[major].up(envelope)
        return replace(envelope, major=self.newest) if envelope.major != self.newest else envelope

    def write(self, envelope: Envelope, major: int) -> Envelope:
        """A message of the newest major, as one of the major that the other side speaks."""
        if self.oldest <= major:
            for step in reversed(range(major, self.newest)):
                envelope = self.adapters[step].down(envelope)
        return replace(envelope, major=major) if envelope.major != major else envelope

    @property
    def words(self) -> str:
        """The range for people."""
        return words(self.oldest, self.newest)

    def refusal(self, low: int, high: int, software: str, peer: str, what: str) -> VersionMismatch:
        """Why a peer cannot be served. software: ours, peer: theirs. what: the peer, for example `client`."""
        older = f"the {what}" if high < self.oldest else "the hub"
        return VersionMismatch(
            f"The hub ({software}) speaks {self.words} of the protocol, the {what} ({peer[:64]}) {words(low, high)}.",
            hint=f"Update {older}: it is the older of the two.",
            detail={"hub_min": self.oldest, "hub_max": self.newest, "peer_min": low, "peer_max": high, "older": older},
        )


def words(low: int, high: int) -> str:
    """A range of majors for people."""
    return f"version {low}" if low == high else f"versions {low} to {high}"


OURS = Versions()
