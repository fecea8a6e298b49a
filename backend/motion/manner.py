# SPDX-License-Identifier: GPL-3.0-or-later
"""In what manner something is done: style words as numbers that generators and edits of clips understand.

A manner is neutral where its factors are 1 and its additions 0. Words combine: factors multiply, additions add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

FACTORS = ("speed", "tempo", "stride", "lift", "bounce", "sway", "swing", "size", "width")


@dataclass(frozen=True)
class Manner:
    """Factors (1 neutral): speed over the floor, tempo of gestures, stride length, lift of the feet, bounce, sway of
    the hips, swing of the arms, size of gestures, width of the steps. Additions (0 neutral): lean (radians forward),
    slump (radians of the upper back), nod (radians of the head, down positive), turn_head (share of looking about),
    crouch (share of the leg), arms_out and elbows (radians), shrug (radians), duty (share of the stride on the floor),
    wander (0..1, unsteady), limp (0..1, left leg), tiptoe (0..1), stiff (0..1)."""

    speed: float = 1.0
    tempo: float = 1.0
    stride: float = 1.0
    lift: float = 1.0
    bounce: float = 1.0
    sway: float = 1.0
    swing: float = 1.0
    size: float = 1.0
    width: float = 1.0
    lean: float = 0.0
    slump: float = 0.0
    nod: float = 0.0
    turn_head: float = 0.0
    crouch: float = 0.0
    arms_out: float = 0.0
    elbows: float = 0.0
    shrug: float = 0.0
    duty: float = 0.0
    wander: float = 0.0
    limp: float = 0.0
    tiptoe: float = 0.0
    stiff: float = 0.0

    def scaled(self, strength: float) -> Manner:
        """The same to a degree: 0 neutral, 1 as it is, 2 twice as much."""
        return replace(self, **{
            one.name: max(0.1, getattr(self, one.name) ** strength) if one.name in FACTORS
            else getattr(self, one.name) * strength for one in fields(self)
        })

    def with_(self, other: Manner) -> Manner:
        """Both at once."""
        return replace(self, **{
            one.name: getattr(self, one.name) * getattr(other, one.name) if one.name in FACTORS
            else getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        })


NEUTRAL = Manner()
MANNERS: dict[str, Manner] = {
    "fast": Manner(speed=1.35, tempo=1.4, swing=1.2, lean=0.03),
    "slow": Manner(speed=0.6, tempo=0.65, swing=0.75, bounce=0.9),
    "tired": Manner(speed=0.62, tempo=0.65, stride=0.9, lift=0.55, bounce=0.7, swing=0.55, size=0.75, lean=0.10,
                    slump=0.32, nod=0.24, crouch=0.015, duty=0.03, elbows=-0.05, shrug=-0.06),
    "sad": Manner(speed=0.65, tempo=0.7, lift=0.6, bounce=0.6, swing=0.4, size=0.7, lean=0.05, slump=0.28, nod=0.38,
                  shrug=-0.08, arms_out=-0.04),
    "sneaky": Manner(speed=0.5, tempo=0.8, stride=1.0, lift=1.7, bounce=0.5, swing=0.6, size=0.85, width=1.1, lean=0.26,
                     slump=0.2, nod=-0.22, turn_head=0.35, crouch=0.13, elbows=0.85, arms_out=0.12, shrug=0.12,
                     duty=0.05, tiptoe=0.8),
    "proud": Manner(speed=1.0, stride=1.08, lift=1.1, bounce=1.15, swing=1.15, size=1.1, lean=-0.05, slump=-0.16,
                    nod=-0.13, arms_out=0.10, shrug=0.03),
    "happy": Manner(speed=1.12, tempo=1.15, lift=1.35, bounce=1.9, sway=1.3, swing=1.35, size=1.2, slump=-0.08,
                    nod=-0.09, elbows=0.22),
    "drunk": Manner(speed=0.62, tempo=0.8, stride=0.85, lift=0.9, sway=2.2, swing=0.8, width=1.9, slump=0.12, nod=0.12,
                    arms_out=0.16, wander=1.0, duty=0.03, crouch=0.02),
    "old": Manner(speed=0.5, tempo=0.6, stride=0.72, lift=0.45, bounce=0.6, swing=0.4, size=0.75, width=1.25, lean=0.12,
                  slump=0.42, nod=-0.16, crouch=0.04, elbows=0.45, duty=0.05),
    "angry": Manner(speed=1.18, tempo=1.3, lift=1.15, bounce=1.2, swing=1.25, size=1.15, lean=0.10, nod=0.08,
                    arms_out=0.12, elbows=0.3, shrug=0.08),
    "scared": Manner(speed=0.8, tempo=1.15, stride=0.75, lift=0.8, swing=0.4, size=0.75, lean=0.05, slump=0.2,
                     turn_head=0.5, crouch=0.05, elbows=0.7, shrug=0.2),
    "heavy": Manner(speed=0.78, tempo=0.75, stride=0.95, bounce=1.3, sway=1.9, width=1.7, arms_out=0.22, lean=0.03,
                    duty=0.03),
    "light": Manner(speed=1.05, lift=1.2, bounce=1.4, width=0.8, slump=-0.06, tiptoe=0.3),
    "robotic": Manner(tempo=0.9, bounce=0.4, sway=0.2, swing=0.8, slump=-0.05, elbows=0.55, stiff=1.0),
    "elegant": Manner(speed=0.92, tempo=0.9, bounce=0.8, sway=1.5, width=0.35, slump=-0.1, nod=-0.05, size=0.95),
    "sexy": Manner(speed=0.88, sway=2.6, width=0.1, slump=-0.1, swing=1.05, nod=-0.04),
    "confident": Manner(speed=1.08, stride=1.06, swing=1.2, slump=-0.1, nod=-0.05, arms_out=0.06),
    "shy": Manner(speed=0.8, stride=0.85, swing=0.45, size=0.7, slump=0.15, nod=0.25, shrug=0.08, elbows=0.2),
    "limping": Manner(speed=0.65, limp=1.0, duty=0.02, sway=1.4, swing=0.7, lean=0.04),
    "stiff": Manner(stiff=0.6, swing=0.5, bounce=0.5, sway=0.4),
    "zombie": Manner(speed=0.45, tempo=0.6, stride=0.7, lift=0.4, sway=2.0, swing=0.2, width=1.2, lean=0.08, slump=0.3,
                     nod=-0.1, limp=0.6, wander=0.4),
    "crouched": Manner(speed=0.75, lean=0.24, slump=0.15, nod=-0.25, crouch=0.18, elbows=0.5, lift=1.1),
    "big": Manner(size=1.3, stride=1.15),
    "small": Manner(size=0.65, stride=0.75),
    "tiptoe": Manner(speed=0.7, tiptoe=1.0, lift=1.1, bounce=0.6, stride=0.8, arms_out=0.12, elbows=0.3),
}


def manner_of(words: Iterable[str], strength: float = 1.0) -> Manner:
    """The manner that these words of `MANNERS` make together."""
    whole = NEUTRAL
    for word in words:
        whole = whole.with_(MANNERS[word].scaled(strength))
    return whole
