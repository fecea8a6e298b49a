# SPDX-License-Identifier: GPL-3.0-or-later
"""Several priors at once in the setting `prior`: which they are, and how much each has to say.

"A & B" asks both in every step; "A @ 0.7 & B @ 0.3" weighs what they say, 1 without a number. The first one leads: it
is the prior of everything that one prior does alone (painting, the pictures that previews show). Weights multiply
losses, as in Magic123 (Qian et al. 2023, eq. 4), and are not brought to a sum of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocol.errors import BadRequest

BETWEEN, BEFORE_WEIGHT = " & ", " @ "
MOST = 4
HEAVIEST = 1000.0


@dataclass(frozen=True)
class Part:
    """A prior by its name (a folder or an id, perhaps with a ControlNet) and its weight, 0 to 1000."""

    name: str
    weight: float = 1.0


def parts_of(setting: str) -> tuple[Part, ...]:
    """The priors that a stage's part of the setting names, the leader first. Raises BadRequest naming `prior`."""
    parts = tuple(_part(one.strip(), setting) for one in setting.split(BETWEEN))
    if len(parts) > MOST:
        raise BadRequest(f"`prior` names {len(parts)} priors at once; at most {MOST} work together.", path="prior")
    names = [one.name for one in parts]
    if len(set(names)) < len(names):
        raise BadRequest(f"`prior` names the same prior twice: {setting}.", path="prior",
                         hint="Name it once, with one weight.")
    if len(parts) > 1 and parts[0].weight == 0:
        raise BadRequest(f"The first of several priors leads, so its weight cannot be 0: {setting}.", path="prior")
    return parts


def leader(setting: str) -> str:
    """The name of the first."""
    return parts_of(setting)[0].name


def _part(text: str, setting: str) -> Part:
    name, found, number = text.rpartition(BEFORE_WEIGHT)
    if not found:
        return Part(text)
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not name.strip() or not 0.0 <= weight <= HEAVIEST:
        raise BadRequest(
            f"`prior` weighs a prior with {number!r} in {setting!r}; a weight is a number from 0 to {HEAVIEST:g}.",
            path="prior",
            hint=f"Write for instance: folder one{BEFORE_WEIGHT}0.7{BETWEEN}folder two{BEFORE_WEIGHT}0.3.",
        )
    return Part(name.strip(), weight)
