# SPDX-License-Identifier: GPL-3.0-or-later
"""Public checkpoints that Maquette can use, and those that used to exist: what they are, weigh and allow.

Sizes are what has to be downloaded in half precision, from parameter counts. A licence here is a pointer, not advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["coarse", "fine", "paint"]


@dataclass(frozen=True)
class KnownModel:
    """One hub id.

    Attributes:
        id: owner/name.
        title: for people.
        gigabytes: download in half precision.
        licence: short name.
        roles: the stages it suits.
        gated: the hub asks for a login and acceptance of the licence.
        moved_to: where it lives now, if the id is gone; '' otherwise.
        note: one sentence more.
    """

    id: str
    title: str
    gigabytes: float
    licence: str
    roles: tuple[Role, ...]
    gated: bool = False
    moved_to: str = ""
    note: str = ""

    def describe(self) -> str:
        """One sentence: title, size, licence, login."""
        login = "; log in and accept its licence on its page first" if self.gated else ""
        return f"{self.id} ({self.title}, about {self.gigabytes:.1f} GB, {self.licence}{login})"


RAIL_M, RAIL_PLUS, IF_LICENCE = "CreativeML OpenRAIL-M", "CreativeML OpenRAIL++-M", "DeepFloyd IF Licence"
REMOVED = "Stability AI removed it in November 2025; the new id is an unofficial mirror."
UNCHECKED = "Unofficial conversion."
STABILITY = "Stability AI community licence"
T5 = "9.5 GB of it is the T5 text encoder, which is freed after the prompt is read."
QWEN = "8.0 GB of it is the Qwen 3 text encoder, which is freed after the prompt is read."
FEW_STEPS = "Distilled to a few steps: for painting, not for distillation that compares texts."

MODELS: tuple[KnownModel, ...] = (
    KnownModel("stable-diffusion-v1-5/stable-diffusion-v1-5", "Stable Diffusion 1.5, 512 px", 2.1, RAIL_M,
               ("coarse", "fine"), note="Mirror of the original, whose owner removed it in 2024."),
    KnownModel("CompVis/stable-diffusion-v1-4", "Stable Diffusion 1.4, 512 px", 2.1, RAIL_M, ("coarse", "fine")),
    KnownModel("runwayml/stable-diffusion-v1-5", "Stable Diffusion 1.5, 512 px", 2.1, RAIL_M, ("coarse", "fine"),
               moved_to="stable-diffusion-v1-5/stable-diffusion-v1-5", note="Its owner removed it in 2024."),
    *(KnownModel(f"sd2-community/{name}", title, 2.6, RAIL_PLUS, ("coarse", "fine"), note="Unofficial mirror.")
      for name, title in (("stable-diffusion-2-1-base", "Stable Diffusion 2.1 base, 512 px"),
                          ("stable-diffusion-2-1", "Stable Diffusion 2.1, 768 px"),
                          ("stable-diffusion-2-base", "Stable Diffusion 2.0 base, 512 px"))),
    *(KnownModel(f"stabilityai/{name}", title, 2.6, RAIL_PLUS, ("coarse", "fine"), moved_to=f"sd2-community/{name}",
                 note=REMOVED)
      for name, title in (("stable-diffusion-2-1-base", "Stable Diffusion 2.1 base, 512 px"),
                          ("stable-diffusion-2-1", "Stable Diffusion 2.1, 768 px"),
                          ("stable-diffusion-2-base", "Stable Diffusion 2.0 base, 512 px"),
                          ("stable-diffusion-2", "Stable Diffusion 2.0, 768 px"))),
    KnownModel("stabilityai/stable-diffusion-xl-base-1.0", "Stable Diffusion XL, 1024 px", 6.9, RAIL_PLUS, ("fine",)),
    KnownModel("stabilityai/stable-diffusion-3.5-medium", "Stable Diffusion 3.5 medium, 1024 px", 16.3, STABILITY,
               ("coarse", "fine"), gated=True, note=T5),
    KnownModel("stabilityai/stable-diffusion-3.5-large", "Stable Diffusion 3.5 large, 1024 px", 27.6, STABILITY,
               ("fine",), gated=True, note=T5),
    KnownModel("stabilityai/stable-diffusion-3-medium-diffusers", "Stable Diffusion 3 medium, 1024 px", 15.4, STABILITY,
               ("coarse", "fine"), gated=True, note=T5),
    KnownModel("black-forest-labs/FLUX.2-klein-base-4B", "FLUX.2 klein base 4B, 1024 px", 16.0, "Apache-2.0",
               ("coarse", "fine"), note=QWEN),
    KnownModel("Tongyi-MAI/Z-Image", "Z-Image, 1024 px", 20.5, "Apache-2.0", ("coarse", "fine"),
               note=QWEN),
    KnownModel("Tongyi-MAI/Z-Image-Turbo", "Z-Image-Turbo, 1024 px", 20.5, "Apache-2.0", ("fine",), note=FEW_STEPS),
    KnownModel("black-forest-labs/FLUX.1-schnell", "FLUX.1 schnell, 1024 px", 33.7, "Apache-2.0", ("fine",), gated=True,
               note=FEW_STEPS),
    KnownModel("black-forest-labs/FLUX.1-dev", "FLUX.1 dev, 1024 px", 33.7, "FLUX.1 [dev] non-commercial licence",
               ("fine",), gated=True, note=T5),
    KnownModel("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd IF stage 1, 64 px", 18.1, IF_LICENCE, ("coarse",), gated=True,
               note="9.5 GB of it is the T5 text encoder, which is freed after the prompt is read."),
    KnownModel("DeepFloyd/IF-I-L-v1.0", "DeepFloyd IF stage 1, 64 px", 11.3, IF_LICENCE, ("coarse",), gated=True),
    KnownModel("DeepFloyd/IF-I-M-v1.0", "DeepFloyd IF stage 1, 64 px", 10.3, IF_LICENCE, ("coarse",), gated=True),
    KnownModel("bennyguo/zero123-xl-diffusers", "Zero-1-to-3 XL, 256 px, from one picture", 2.8, "MIT", ("coarse",),
               note=UNCHECKED),
    KnownModel("ashawkey/stable-zero123-diffusers", "Stable Zero123, 256 px, from one picture", 2.8,
               "Stability AI community licence", ("coarse",), note=UNCHECKED),
)

BY_ID = {model.id.lower(): model for model in MODELS}


def find(model_id: str) -> KnownModel | None:
    """What is known of a hub id (case doesn't matter), or None."""
    return BY_ID.get(model_id.lower())


def suggestions(role: Role) -> list[KnownModel]:
    """Models that exist and suit a stage."""
    return [model for model in MODELS if role in model.roles and not model.moved_to]
