# SPDX-License-Identifier: GPL-3.0-or-later
"""What all kinds of job have in common: the base class of a spec, and the rules for arrays that go in with it.

A kind says in `INPUTS` which arrays it takes. Client, hub and worker all check the descriptors against these rules
before a byte is sent, stored or computed with; what the bytes mean is checked by the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, TypeVar

from .. import checks
from ..arrays import Descriptor
from ..errors import BadRequest, TooLarge

MAX_PROMPT = 2000  # characters; a text encoder of a diffusion prior reads 77 to 512 tokens
MAX_SEED = 2**63 - 1
MAX_INPUTS = 64  # arrays of one job
MAX_INPUT_BYTES = 4 << 30  # of all inputs of one job (protocol reference, section 15)
MAX_IDENTITY_BYTES = 1 << 30  # low-rank changes of rank 64 for Stable Diffusion XL have 0.7 GB
MAX_STYLE_BYTES = 64 << 20
IDENTITIES = 4  # learned words that one job may use


@dataclass(frozen=True)
class Input:
    """One array that a kind of job takes.

    name: as in `Client.submit(spec, inputs)`. dtypes: keys of arrays.DTYPES. shape: exact sizes, None where any size
    from 1 up will do. required: whether the job cannot do without. maximum: bytes. A file such as a PNG travels as
    its bytes: `Input("image", ("|u1",), (None,))`.
    """

    name: str
    dtypes: tuple[str, ...]
    shape: tuple[int | None, ...]
    required: bool = True
    maximum: int = MAX_INPUT_BYTES

    def check(self, one: Descriptor) -> None:
        """Raises BadRequest or TooLarge naming the input."""
        path = f"inputs.{self.name}"
        fits = len(one.shape) == len(self.shape) and all(
            got >= 1 if want is None else got == want for got, want in zip(one.shape, self.shape, strict=True)
        )
        if one.dtype not in self.dtypes or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in self.shape)
            raise BadRequest(
                f"Input {self.name} is {one.dtype} {one.shape}, expected {' or '.join(self.dtypes)} ({wanted}).",
                path=path,
            )
        if one.size > self.maximum:
            raise TooLarge(
                f"Input {self.name} has {one.size:,} bytes, at most {self.maximum:,} are allowed.", path=path,
                detail={"limit": self.maximum, "got": one.size},
            )


@dataclass(frozen=True)
class Spec:
    """Base of all specs: a frozen dataclass of plain values, checked when it is made."""

    kind: ClassVar[str] = ""
    INPUTS: ClassVar[tuple[Input, ...]] = ()

    @property
    def title(self) -> str:
        """One line for lists of jobs."""
        return self.kind

    def to_map(self) -> dict[str, Any]:
        """The spec as plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_map(cls: type[S], values: Mapping[str, Any]) -> S:
        """Check and rebuild; fields that this version does not know are ignored (same major version)."""
        for one in fields(cls):
            if one.name not in values and one.default is MISSING and one.default_factory is MISSING:
                raise BadRequest(f"The {one.name} is missing.", path=one.name)
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})

    def check_inputs(self, inputs: Iterable[Descriptor]) -> None:
        """Whether these arrays may go in with this job. Raises BadRequest or TooLarge naming the input."""
        given = list(inputs)
        found = {one.name: one for one in given}
        known = {one.name: one for one in self.INPUTS}
        if len(given) > MAX_INPUTS or len(found) < len(given):
            raise BadRequest(f"A job takes at most {MAX_INPUTS} inputs, each under its own name.", path="inputs")
        for name in found:
            if name not in known:
                takes = f"only {', '.join(sorted(known))}" if known else "no inputs"
                raise BadRequest(f"A {self.kind} job takes {takes}, not {name!r}.", path=f"inputs.{name}")
        for name, rule in known.items():
            if name in found:
                rule.check(found[name])
            elif rule.required:
                raise BadRequest(f"A {self.kind} job needs the input {name}.", path=f"inputs.{name}")
        total = sum(one.size for one in given)
        if total > MAX_INPUT_BYTES:
            raise TooLarge(
                f"The inputs have {total:,} bytes, at most {MAX_INPUT_BYTES:,} are allowed.", path="inputs",
                detail={"limit": MAX_INPUT_BYTES, "got": total},
            )


COMMON: dict[str, checks.Check] = {
    "prompt": checks.text(MAX_PROMPT, printable=True), "negative_prompt": checks.text(MAX_PROMPT, printable=True),
    "preset": checks.text(32, pattern="[a-z][a-z0-9_-]*"), "prior": checks.text(1024, printable=True),
    "seed": checks.optional(checks.integer(0, MAX_SEED)), "texture_size": checks.integer(0, 8192),
    "name": checks.text(63, printable=True),
}
NUMBERS: dict[str, checks.Check] = {  # stored as float, whatever came in
    "identity_scale": checks.number(0.0, 2.0), "style_scale": checks.number(0.0, 2.0),
    "effort": checks.number(0.005, 10.0),
}


@dataclass(frozen=True, kw_only=True)
class GeneratingSpec(Spec):
    """Base of the kinds that make something from a prompt; their `INPUTS` end with `*GUIDES`.

    What all of them ask for in the same way is checked here, where a kind has the field: prompt and negative_prompt,
    preset, prior, seed, texture_size, effort, name. WHAT_TO_SAY: the hint for an empty prompt, empty where a kind can
    do without one.

    identity_scale: 0 to 2, how much the learned words that go in (`identity_0` ...) have to say; 0 is as if they were
    not there. style_scale: 0 to 2, the same of `style_picture`.
    """

    WHAT_TO_SAY: ClassVar[str] = "Say in a few words what to make."

    identity_scale: float = 1.0
    style_scale: float = 1.0

    def __post_init__(self) -> None:
        for one in fields(self):
            if one.name in COMMON:
                COMMON[one.name](getattr(self, one.name), one.name)
        for name, numbers in NUMBERS.items():
            if hasattr(self, name):
                object.__setattr__(self, name, numbers(getattr(self, name), name))
        if self.WHAT_TO_SAY and not getattr(self, "prompt", "").strip():
            raise BadRequest("The prompt is empty.", path="prompt", hint=self.WHAT_TO_SAY)
        size = getattr(self, "texture_size", 0)
        if 0 < size < 64:
            raise BadRequest(
                f"texture_size is {size}, expected 64 to 8192 pixels, or 0 to leave it to the worker.",
                path="texture_size",
            )


GUIDES = (
    *(Input(f"identity_{number}", ("|u1",), (None,), required=False, maximum=MAX_IDENTITY_BYTES)
      for number in range(IDENTITIES)),
    Input("style_picture", ("|u1",), (None,), required=False, maximum=MAX_STYLE_BYTES),
)
"""What may go in beside any prompt: words that a learn job has learned (safetensors files), and a picture (PNG or JPEG)
for priors that take the style of one."""

SEEN = Input("picture", ("|u1",), (None,), required=False, maximum=MAX_STYLE_BYTES)
"""The thing itself, from its front (PNG or JPEG), for priors that know how it looks from elsewhere."""

S = TypeVar("S", bound=Spec)
