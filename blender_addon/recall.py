# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of an earlier job -> the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import kinds
from .link import SEED_LIMIT


def fill(properties: Any, kind: str, spec: Mapping[str, Any], seed: Any = None) -> None:
    """Set `scene.maquette` to what a job was asked for with; what the panel cannot hold stays as it is.

    kind, spec: as on the wire. seed: the one that the worker drew, where the spec names none.
    """
    if any(one.kind == kind for one in kinds.offered()):
        properties.kind = kind
    properties.prompt_text = None
    values = {**spec, "object_name": spec.get("name", "")}
    seed = seed if isinstance(seed, int) else values.get("seed")
    for name in ("seed", "name", "kind", "rig"):  # a rig of the wire is not one of the panel
        values.pop(name, None)
    for name, value in values.items():
        known = properties.bl_rna.properties.get(name)
        if known is None or known.is_readonly:
            continue
        if known.type == "ENUM":
            value = str(value).upper() if str(value).upper() in known.enum_items else str(value)
            if value in known.enum_items:
                setattr(properties, name, value)
        elif known.type == "STRING" and isinstance(value, str) or (
            known.type in ("FLOAT", "INT") and type(value) in (int, float)
        ):
            setattr(properties, name, value)
    if isinstance(seed, int) and 0 <= seed <= SEED_LIMIT:
        properties.seed, properties.randomise = seed, False
