# SPDX-License-Identifier: GPL-3.0-or-later
"""What people type as the address of a hub -> `tcp://host:port`.

Accepts what gets pasted (a scheme, a slash at the end, spaces) and says what is wrong with the rest.
"""

from __future__ import annotations

import ipaddress
import re

from . import wire

_FORM = re.compile(r"(?:[a-z]+://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+):(?P<port>\d{1,5})/?", re.IGNORECASE)


def normalise(text: str) -> str:
    """`tcp://host:port`; raises BadRequest naming what is missing."""
    match = _FORM.fullmatch(text.strip())
    if match is None or not 0 < int(match["port"]) < 65536:
        raise wire.errors.BadRequest(
            f"{text.strip()!r} is not the address of a hub.",
            hint="Hub in the add-on's preferences wants host:port, for example 10.0.0.5:5570.",
            path="address",
        )
    return f"tcp://{match['host']}:{int(match['port'])}"


def is_loopback(address: str) -> bool:
    """Does this normalised address stay on this machine?"""
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
