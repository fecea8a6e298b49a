# SPDX-License-Identifier: GPL-3.0-or-later
"""Two messages for whoever runs a hub: an action with its values, and what came of it (`backend.hub.manage`).

They are not part of the artists' conversation, so `session` does not know them; a command asks, waits and ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import checks
from .fields import Message, direction, wire, word


@dataclass(frozen=True)
class Manage(Message):
    """Do this, for example `revoke` with `{"name": "ann"}`. Answered by MANAGED or ERROR."""

    TYPE = "MANAGE"
    action: str = wire(word)
    values: dict[str, Any] = wire(checks.mapping)


@dataclass(frozen=True)
class Managed(Message):
    """It was done, with this outcome."""

    TYPE = "MANAGED"
    values: dict[str, Any] = wire(checks.mapping)


CLIENT_TO_HUB = direction(Manage)
HUB_TO_CLIENT = direction(Managed)
