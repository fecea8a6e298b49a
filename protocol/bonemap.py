# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of a stranger's skeleton plays which part of a human: guessed from names and from what hangs on what.

Names are read tolerantly (prefixes such as `mixamorig:` and `DEF-`, sides as Left, L, .l or _L, endings such as
`_end` or `.001`); limbs are known by them, the trunk by its place: the hips carry both thighs, the chest both arms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .naming import internal

LIMBS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ToeBase", ("toebase", "toe", "toes", "ball", "toe0", "toe1")),
    ("Foot", ("foot", "ankle", "feet")),
    ("UpLeg", ("upleg", "thigh", "upperleg", "legupper", "femur", "upleg1", "leg1", "hipjoint", "legup")),
    ("Leg", ("leg", "shin", "calf", "lowerleg", "leglower", "knee", "tibia", "lowleg", "leg2", "legdown")),
    ("ForeArm", ("forearm", "lowerarm", "armlower", "elbow", "lowarm", "arm2", "farm")),
    ("Hand", ("hand", "wrist", "palm")),
    ("Shoulder", ("shoulder", "clavicle", "collar", "collarbone", "clav")),
    ("Arm", ("arm", "upperarm", "armupper", "uparm", "humerus", "arm1", "bicep")),
)
HEADS = ("head",)
NECKS = ("neck", "neck1", "neck01")
HIPS = ("hips", "hip", "pelvis", "cog", "waist")
PREFIX = re.compile(
    r"^(?:mixamorig\d*|bip0?01|bip|def|org|valvebiped|character\d*|skeleton|rig|armature|cc base|b|jnt|j|sk)[\s:_.\-]+",
    re.IGNORECASE,
)
HELPERS = re.compile(
    r"twist|roll|_end$|\.end$|end site|nub|leaf|pole|target|(?:^|[^a-z])ik(?:[^a-z]|$)|ctrl|control|mch|helper|adjust|"
    r"metacarpal|thumb|index|middle|ring|pinky|finger|share|correct|weapon|prop|socket", re.IGNORECASE,
)


def guess(names: Sequence[str], parents: Sequence[int]) -> list[str]:
    """A role of ours (LeftForeArm, ...) for each bone, "" for none; no role twice. parents: -1 for a root; parents
    come first."""
    roles = [""] * len(names)
    sided: dict[str, int] = {}
    plain = [_plain(name) for name in names]
    for number, (side, word) in enumerate(plain):
        if not side or HELPERS.search(names[number]):
            continue
        for part, words in LIMBS:
            if word in words:
                sided.setdefault(side + part, number)  # the first is the highest
                break
    for side in ("Left", "Right"):
        _settle_limbs(side, sided, plain, parents)
    for role, number in sided.items():
        roles[number] = role
    _trunk(roles, plain, parents, sided)
    direct = internal(names)
    from_ours = [name if name == own and name not in roles else "" for name, own in zip(direct, names, strict=True)]
    return [role or (own if own in _ROLES else "") for role, own in zip(roles, from_ours, strict=True)]


def of_map(names: Sequence[str], bones: Mapping[str, str]) -> list[str]:
    """Roles by a map role -> bone name that somebody has saved; upper and lower case, prefixes and sides that are
    written otherwise do not matter."""
    table = {_loose(bone): role for role, bone in bones.items() if bone}
    roles = [table.get(_loose(name), "") for name in names]
    seen: set[str] = set()
    for number, role in enumerate(roles):
        if role in seen:
            roles[number] = ""
        seen.add(role)
    return roles


def _loose(name: str) -> str:
    side, word = _plain(name)
    return f"{side}:{word}"


_ROLES = frozenset(
    ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head",
     *(side + part for side in ("Left", "Right") for part, _ in LIMBS))
)


def _plain(name: str) -> tuple[str, str]:
    """(Left, Right or "", the rest in small letters without separators)."""
    before = ""
    while before != name:
        before, name = name, PREFIX.sub("", name)
    name = re.sub(r"[._]\d{3}$", "", name) if re.search(r"\d{3}$", name) and "spine" not in name.lower() else name
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    parts = [part.lower() for part in re.split(r"[\s_.\-:|]+", words) if part]
    side = ""
    rest: list[str] = []
    for part in parts:
        if not side and part in ("left", "l", "lft"):
            side = "Left"
        elif not side and part in ("right", "r", "rgt", "rt"):
            side = "Right"
        elif not side and part.startswith(("left", "right")) and len(part) > 5:
            side = "Left" if part.startswith("left") else "Right"
            rest.append(part[4:] if side == "Left" else part[5:])
        else:
            rest.append(part)
    word = "".join(rest)
    if not side and len(word) > 3:
        for short, long in (("l", "Left"), ("r", "Right")):  # lThigh, rForeArm
            if re.match(rf"{short}[A-Z]", name):
                side, word = long, "".join(re.split(r"[\s_.\-:|]+", name[1:])).lower()
    return side, re.sub(r"(?<=[a-z])0?1$", "", word) if not word.startswith("spine") else word


def _above(parents: Sequence[int], number: int) -> list[int]:
    """A bone and all above it."""
    chain = [number]
    while parents[chain[-1]] >= 0:
        chain.append(parents[chain[-1]])
    return chain


def _settle_limbs(side: str, sided: dict[str, int], plain: Sequence[tuple[str, str]], parents: Sequence[int]) -> None:
    """Names whose meaning hangs on the others: a shoulder that is the upper arm, a hip that is the thigh, and legs or
    arms of which only two bones have one name."""
    if side + "UpLeg" not in sided:
        hip = next((n for n, (s, word) in enumerate(plain) if s == side and word in ("hip", "hips")), None)
        leg = sided.get(side + "Leg")
        if hip is not None and leg is not None and hip in _above(parents, leg):
            sided[side + "UpLeg"] = hip
        elif leg is not None:  # Leg, Shin: the second was not seen because the first took its name
            foot = sided.get(side + "Foot")
            below = [n for n in _above(parents, foot)[1:] if n != leg and leg in _above(parents, n)] if foot else []
            if below:
                sided[side + "UpLeg"], sided[side + "Leg"] = leg, below[0]
    if side + "Arm" not in sided and side + "Shoulder" in sided and side + "ForeArm" in sided:
        sided[side + "Arm"] = sided.pop(side + "Shoulder")
    if side + "ForeArm" not in sided and side + "Hand" in sided and side + "Arm" in sided:
        arm = sided[side + "Arm"]
        below = [n for n in _above(parents, sided[side + "Hand"])[1:] if n != arm and arm in _above(parents, n)]
        if below:
            sided[side + "ForeArm"] = below[0]


def _trunk(
    roles: list[str], plain: Sequence[tuple[str, str]], parents: Sequence[int], sided: Mapping[str, int]
) -> None:
    """Hips, spine, neck and head by where the limbs hang."""
    legs = [sided[one] for one in ("LeftUpLeg", "RightUpLeg") if one in sided]
    arms = [sided[one] for one in ("LeftShoulder", "RightShoulder", "LeftArm", "RightArm") if one in sided]
    if len(legs) < 2 or len(arms) < 2:
        return
    hips = _common(parents, legs)
    named = next((n for n, (side, word) in enumerate(plain) if not side and word in HIPS), -1)
    chest = _common(parents, arms)
    if named >= 0 and (hips < 0 or hips == named or hips in _above(parents, named) and named in _above(parents, chest)):
        hips = named  # the thighs hang on a bone above the hips, as in some game rigs
    if hips < 0 or chest < 0:
        return
    roles[hips] = roles[hips] or "Hips"
    chain = [n for n in reversed(_above(parents, chest)) if hips in _above(parents, n) and n != hips]
    for place, role in _spread(len(chain)):
        roles[chain[place]] = roles[chain[place]] or role
    heads = [n for n, (side, word) in enumerate(plain) if not side and word in HEADS]
    necks = [n for n, (side, word) in enumerate(plain) if not side and word in NECKS]
    tops = [n for n, (_, word) in enumerate(plain) if word.startswith("spine") and chest in _above(parents, n)[1:]]
    head = heads[0] if heads else max(tops, key=lambda n: len(_above(parents, n)), default=-1)
    if head < 0:
        return
    roles[head] = roles[head] or "Head"
    between = [n for n in reversed(_above(parents, head)) if chest in _above(parents, n)[1:] and n != head]
    neck = next((n for n in necks if n in between), between[0] if between else -1)
    if neck >= 0:
        roles[neck] = roles[neck] or "Neck"


def _spread(count: int) -> list[tuple[int, str]]:
    """Which of so many spine bones play which part: the top one is the chest."""
    if count <= 0:
        return []
    if count == 1:
        return [(0, "Spine2")]
    if count == 2:
        return [(0, "Spine"), (1, "Spine2")]
    return [(0, "Spine"), (count // 2, "Spine1"), (count - 1, "Spine2")]


def _common(parents: Sequence[int], numbers: Sequence[int]) -> int:
    """The lowest bone above all of these, -1 for none."""
    chains = [_above(parents, number)[1:] for number in numbers]
    shared = [n for n in chains[0] if all(n in chain for chain in chains[1:])]
    return shared[0] if shared else -1
