# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned word -> the user's folder; nothing in the scene changes."""

from __future__ import annotations

from .. import identities, wire
from .mesh import BrokenMesh
from .result import Delivery


def deliver(delivery: Delivery) -> str:
    """Returns the word. Raises BrokenMesh, or MaquetteError where the folder cannot be written."""
    data = delivery.arrays.get("identity")
    if data is None:
        raise BrokenMesh("the result has no learned word")
    try:
        return identities.mine().keep(data.tobytes()).word
    except identities.BrokenIdentity as error:
        raise BrokenMesh(f"the learned word cannot be used, {error}") from error
    except OSError as error:
        raise wire.errors.OutOfSpace(f"The learned word could not be written: {error.strerror}.") from error
