# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of a batch asks for, as a short mark that does not change when the product learns more.

Ids of rows and the ledger carry this mark, and later versions read them, whose specs have more fields. A field that a
kind had when ledgers began (`FIRST`) always counts; one that came later counts only where it is not at its default.
So every ledger that was ever written still knows its rows, and a value that is changed always makes another mark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any

from ..specs import Spec

FIRST: Mapping[str, str] = MappingProxyType({
    "animate": "prompt seconds frames fps loop root_mode style method mirror prior seed name",
    "avatar": (
        "identity_scale style_scale prompt negative_prompt preset prior seed height_metres motion seconds fps "
        "texture_size effort name"
    ),
    "edit": (
        "identity_scale style_scale prompt negative_prompt preset prior seed reshape strength texture_size effort "
        "name"
    ),
    "inpaint": (
        "identity_scale style_scale verb prompt negative_prompt preset prior seed engine inpainter rig views grow "
        "feather strength at_once effort name"
    ),
    "learn": "word noun subject method prior rank vectors steps learning_rate preservation seed",
    "remove": "closing trim views inpainter seed name",
    "rig": "creature naming front fingers detail effort name",
    "segment": "by segmenter width height grow name",
    "text_to_3d": (
        "identity_scale style_scale prompt negative_prompt preset prior seed size_metres texture_size effort name "
        "gpus"
    ),
    "texture": (
        "identity_scale style_scale prompt negative_prompt preset prior seed engine rig views strength uvs "
        "at_once texture_size effort name maps"
    ),
    "variations": (
        "identity_scale style_scale prompt negative_prompt preset prior seed size_metres texture_size effort name "
        "gpus count"
    ),
})
"""For each kind the fields of its first ledgers. Never edited: a field that is added to a kind is not added here, and a
kind that is not here has none."""


def asked(spec: Spec) -> dict[str, Any]:
    """The fields that count, with their values."""
    first = FIRST.get(spec.kind, "").split()
    found = {}
    for one in fields(spec):
        value = getattr(spec, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name in first or value != default:
            found[one.name] = value
    return found


def mark(spec: Spec, *beside: Any) -> str:
    """64 hex digits for a spec and what goes in beside it (plain values); as many of them as are wanted may be used."""
    whole = json.dumps([spec.kind, asked(spec), *beside], sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()


def request_of(spec: Spec, files: Mapping[str, str]) -> dict[str, Any]:
    """What a report says of how to ask for the same again: kind, settings, and the files that went in by input."""
    settings = {one.name: getattr(spec, one.name) for one in fields(spec)}
    return {"kind": spec.kind, "settings": settings, "inputs": dict(files)}
