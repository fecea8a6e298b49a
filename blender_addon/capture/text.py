# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's settings -> the spec of a text-to-3D job."""

from __future__ import annotations

from typing import Any

from .. import wire


def shared(properties: Any, seed: int | None = None) -> dict[str, Any]:
    """What every kind with a prompt asks for in the same way, as its spec names it. seed: in place of the panel's."""
    return {
        "prompt": prompt_of(properties),
        "negative_prompt": line(properties.negative_prompt),
        "preset": properties.preset,
        "prior": properties.prior.strip(),
        "seed": properties.seed if seed is None else seed,
        "effort": round(properties.effort, 6),  # Blender keeps 32 bits, which would show in the report
        "style_scale": round(properties.style_scale, 6),
    }


def prompt_of(properties: Any) -> str:
    """The sentence on one line: of the text block where one is chosen, else of the field."""
    block = properties.prompt_text
    return line(block.as_string() if block is not None else properties.prompt)


def spec_from(properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.TextTo3DSpec` out of `scene.maquette`, or `VariationsSpec` where more than one is wanted.

    seed: used in place of the one in the panel. Raises `protocol.errors.BadRequest` naming the field.
    """
    several = properties.count > 1
    kind, count = (wire.specs.VariationsSpec, {"count": properties.count}) if several else (wire.specs.TextTo3DSpec, {})
    return kind(
        **shared(properties, seed),
        size_metres=round(properties.size_metres, 6),
        texture_size=int(properties.texture_size),
        name=properties.object_name.strip(),
        **count,
    )


def line(text: str) -> str:
    """One line without double spaces: pasted prompts bring line ends and tabs."""
    return " ".join(text.split())
