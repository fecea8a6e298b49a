# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a worker: one frozen dataclass for each kind of job, validated when it is made.

A spec is the whole request: everything that decides the result, and nothing about where or when it runs. It goes
over the wire as `kind` plus `to_map()`, and `spec_from_map` makes it again with the same checks on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from . import checks
from .errors import BadRequest

MAX_PROMPT = 2000  # characters; a text encoder of a diffusion prior reads 77 to 512 tokens
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class TextTo3DSpec:
    """A sentence becomes a textured mesh.

    prompt: 1 to 2,000 characters, not only spaces. negative_prompt: what to avoid, at most 2,000 characters.
    preset: name of a preset (`draft`, `standard`, `paper`). prior: empty for the embedded prior, otherwise a folder
    or an id. seed: 0 to 2^63 - 1, or None to let the worker draw one (the report names it). size_metres: largest
    dimension of the object, 0.001 to 1,000. texture_size: 0 for the preset's own, otherwise 64 to 8,192 pixels.
    effort: 0.005 to 10, multiplies the steps of the preset: below 1 is quicker and rougher, above 1 slower and finer.
    name: name of the object in the scene, at most 63 characters, empty for one made from the prompt.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "text_to_3d"

    prompt: str
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    size_metres: float = 1.0
    texture_size: int = 0
    effort: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        checks.text(MAX_PROMPT, printable=True)(self.prompt, "prompt")
        if not self.prompt.strip():
            raise BadRequest("The prompt is empty.", path="prompt", hint="Say in a few words what to make.")
        checks.text(MAX_PROMPT, printable=True)(self.negative_prompt, "negative_prompt")
        checks.text(32, pattern="[a-z][a-z0-9_-]*")(self.preset, "preset")
        checks.text(1024, printable=True)(self.prior, "prior")
        checks.optional(checks.integer(0, MAX_SEED))(self.seed, "seed")
        object.__setattr__(self, "size_metres", checks.number(0.001, 1000.0)(self.size_metres, "size_metres"))
        checks.integer(0, 8192)(self.texture_size, "texture_size")
        if 0 < self.texture_size < 64:
            raise BadRequest(
                f"texture_size is {self.texture_size}, expected 64 to 8192 pixels, or 0 for the preset's own.",
                path="texture_size",
            )
        object.__setattr__(self, "effort", checks.number(0.005, 10.0)(self.effort, "effort"))
        checks.text(63, printable=True)(self.name, "name")

    def to_map(self) -> dict[str, Any]:
        """The spec as plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_map(cls, values: Mapping[str, Any]) -> TextTo3DSpec:
        """Check and rebuild; fields that this version does not know are ignored (same major version)."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        if "prompt" not in known:
            raise BadRequest("The prompt is missing.", path="prompt")
        return cls(**known)


JobSpec = TextTo3DSpec  # a union, as soon as there is a second kind of job

_KINDS: dict[str, type[TextTo3DSpec]] = {TextTo3DSpec.kind: TextTo3DSpec}


def spec_from_map(kind: str, values: Mapping[str, Any]) -> JobSpec:
    """The spec of this kind, checked. Raises BadRequest for an unknown kind or a wrong field."""
    if kind not in _KINDS:
        raise BadRequest(
            f"This version cannot do jobs of the kind {kind[:64]!r}, it knows {', '.join(sorted(_KINDS))}.",
            path="kind", hint="Update the side that is older.",
        )
    return _KINDS[kind].from_map(values)
