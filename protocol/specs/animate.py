# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate: a sentence becomes a motion of a skeleton that is there already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from ..arrays import Descriptor
from ..errors import BadRequest
from ..motion import MAX_FRAMES, ROOT_MODES
from .base import MAX_PROMPT, MAX_SEED, Input, Spec

METHODS = ("auto", "clips", "generators", "candidates", "latent")
LOOPS = ("auto", "yes", "no")
MAX_JOINTS = 1024
MAX_CLIPS = 16  # Actions of the scene that go in with one job
MAX_NAME_BYTES = 64 * MAX_JOINTS


def _clips() -> tuple[Input, ...]:
    rules: list[Input] = []
    for place in range(MAX_CLIPS):
        rules.append(Input(f"clip_{place}_rotations", ("<f4",), (None, None, 4), required=False))
        rules.append(Input(f"clip_{place}_root", ("<f4",), (None, 3), required=False))
    return tuple(rules)


@dataclass(frozen=True)
class AnimateSpec(Spec):
    """A sentence becomes a motion.

    prompt: 1 to 2,000 characters, not only spaces, for example "walks in tired, then waves". seconds: 0.1 to 600 of the
    whole motion, 0 to take the length that the words say or the motion has. frames: the same in frames of `fps`, 0 for
    `seconds`; at most one of both. fps: 1 to 240 frames a second of the scene. loop: `yes` makes the end lead into the
    beginning, `auto` does so for what people repeat (a walk, not a bow). root_mode: `in_place` keeps the figure over
    its spot, `root_motion` lets it travel. style: 0 to 2, how strongly words such as tired or proud change the motion;
    0 leaves them out, 1 is as written. method: `clips` takes the worker's folder of clips and those that go in,
    `generators` what the product moves by itself, `auto` what fits the words best, `candidates` finds key poses for the
    words and a motion through them (AvatarCLIP), for what none of the others knows; `latent` does so by a search among
    the motions of an autoencoder instead of by interpolation. mirror: left becomes right. prior:
    image-text model that `candidates` asks, empty for none. seed, name: as of a text to 3D job; the name is the
    Action's.

    Inputs: the skeleton (joint_heads, joint_tails, joint_rotations, joint_parents, joint_names; parents first);
    joint_roles, a line for each joint: which joint of ours it is, empty where it is none; clip_0 to clip_15, motions on
    this skeleton as rotations and root, with their names as lines in clip_names, at `fps` frames a second.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "animate"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("joint_heads", ("<f4",), (None, 3)),
        Input("joint_tails", ("<f4",), (None, 3)),
        Input("joint_rotations", ("<f4",), (None, 3, 3)),
        Input("joint_parents", ("<i2",), (None,)),
        Input("joint_names", ("|u1",), (None,), maximum=MAX_NAME_BYTES),
        Input("joint_roles", ("|u1",), (None,), required=False, maximum=MAX_NAME_BYTES),
        Input("clip_names", ("|u1",), (None,), required=False, maximum=MAX_NAME_BYTES),
        *_clips(),
    )

    prompt: str
    seconds: float = 0.0
    frames: int = 0
    fps: float = 30.0
    loop: str = "auto"
    root_mode: str = "in_place"
    style: float = 1.0
    method: str = "auto"
    mirror: bool = False
    prior: str = ""
    seed: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        checks.text(MAX_PROMPT, printable=True)(self.prompt, "prompt")
        if not self.prompt.strip():
            raise BadRequest("The prompt is empty.", path="prompt", hint="Say in a few words what the figure does.")
        object.__setattr__(self, "seconds", checks.number(0.0, 600.0)(self.seconds, "seconds"))
        checks.integer(0, MAX_FRAMES)(self.frames, "frames")
        object.__setattr__(self, "fps", checks.number(1.0, 240.0)(self.fps, "fps"))
        if self.seconds and self.frames:
            raise BadRequest("Both seconds and frames are given.", path="frames", hint="Set one of them to 0.")
        if 0.0 < self.seconds < 0.1 or 0 < self.frames < 2:
            raise BadRequest("A motion lasts at least 0.1 seconds and two frames.",
                             path="frames" if self.frames else "seconds")
        if self.seconds * self.fps > MAX_FRAMES:
            raise BadRequest(f"{self.seconds:g} seconds at {self.fps:g} frames a second are more than {MAX_FRAMES:,} "
                             "frames.", path="seconds", hint="Ask for a shorter motion and repeat it.")
        checks.one_of(*LOOPS)(self.loop, "loop")
        checks.one_of(*ROOT_MODES)(self.root_mode, "root_mode")
        object.__setattr__(self, "style", checks.number(0.0, 2.0)(self.style, "style"))
        checks.one_of(*METHODS)(self.method, "method")
        checks.boolean(self.mirror, "mirror")
        checks.text(1024, printable=True)(self.prior, "prior")
        checks.optional(checks.integer(0, MAX_SEED))(self.seed, "seed")
        checks.text(63, printable=True)(self.name, "name")

    def check_inputs(self, inputs: Iterable[Descriptor]) -> None:
        """As of every spec; and the arrays of the skeleton and of each clip must be of one size."""
        given = list(inputs)
        super().check_inputs(given)
        shapes = {one.name: one.shape for one in given}
        joints = shapes["joint_heads"][0]
        if joints > MAX_JOINTS:
            raise BadRequest(f"The skeleton has {joints:,} joints, at most {MAX_JOINTS:,} are allowed.",
                             path="inputs.joint_heads")
        for name in ("joint_tails", "joint_rotations", "joint_parents"):
            if shapes[name][0] != joints:
                raise BadRequest(f"{name} holds {shapes[name][0]} joints and joint_heads {joints}.",
                                 path=f"inputs.{name}")
        for place in range(MAX_CLIPS):
            turns, root = f"clip_{place}_rotations", f"clip_{place}_root"
            if (turns in shapes) != (root in shapes):
                raise BadRequest(f"Clip {place} needs both its rotations and its root.", path=f"inputs.{root}")
            if turns not in shapes:
                continue
            if "clip_names" not in shapes:
                raise BadRequest("Clips go in without their names.", path="inputs.clip_names")
            if shapes[turns][1] != joints or shapes[turns][0] != shapes[root][0] or shapes[turns][0] > MAX_FRAMES:
                raise BadRequest(f"Clip {place} does not have the skeleton's {joints} joints, or its arrays are not of "
                                 f"one length up to {MAX_FRAMES:,} frames.", path=f"inputs.{turns}")

    @property
    def title(self) -> str:
        """The Action's name with the prompt, or the prompt."""
        return " ".join((f"{self.name}: {self.prompt}" if self.name else self.prompt).split())
