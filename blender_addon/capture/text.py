# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's settings -> the spec of a text-to-3D job, and the reason why they make none."""

from __future__ import annotations

from typing import Any

from .. import wire


def spec_from(properties: Any, seed: int | None = None) -> Any:
    """`protocol.messages.TextTo3DSpec` out of `scene.maquette`.

    seed: used in place of the one in the panel. Raises `protocol.errors.BadRequest` naming the field.
    """
    return wire.messages.TextTo3DSpec(
        prompt=_line(properties.prompt),
        negative_prompt=_line(properties.negative_prompt),
        preset=properties.preset,
        prior=properties.prior.strip(),
        seed=properties.seed if seed is None else seed,
        size_metres=round(properties.size_metres, 6),  # Blender keeps 32 bits, which would show in the report
        texture_size=int(properties.texture_size),
        effort=round(properties.effort, 6),
    )


def complaint(properties: Any) -> str:
    """Why Generate would be refused with these settings, in a sentence for the panel; empty when it would not."""
    if not properties.prompt.strip():
        return "Type what to make into Prompt"
    try:
        spec_from(properties)
    except wire.errors.MaquetteError as error:
        return str(error)
    return ""


def _line(text: str) -> str:
    """One line without double spaces: pasted prompts bring line ends and tabs."""
    return " ".join(text.split())
