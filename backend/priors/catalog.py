# SPDX-License-Identifier: GPL-3.0-or-later
"""Which prior a job gets: the one place that turns the setting `prior` into a loaded model.

The setting is empty (the embedded prior), a folder, or a hub id; two of them separated by a comma mean "the first for
the coarse stage, the second for the fine one". A ControlNet for it stands behind a plus sign: "model + network".
What kind of model it is, the folder itself says.
"""

from __future__ import annotations

from pathlib import Path

import torch

from backend.priors import deepfloyd, embedded, multiview, stable_diffusion
from backend.priors.base import Prior
from backend.priors.flows import FLOWS, stage_size
from backend.priors.hub_models import folder_of, is_hub_id
from backend.priors.known_models import Role, suggestions
from backend.priors.loading import CHOOSE, read_config, read_index
from backend.priors.several import leader
from backend.priors.unet_prior import best_dtype
from protocol.errors import PriorNotFound

EMBEDDED_NAMES = ("", "embedded")
EMBEDDED_PARTS: dict[Role, embedded.Part] = {"coarse": "pixel", "fine": "latent", "paint": "painter"}
STABLE_DIFFUSION_CLASSES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionXLPipeline",
                            "StableDiffusionXLImg2ImgPipeline", "StableDiffusionInpaintPipeline",
                            "StableDiffusionXLInpaintPipeline")


def for_role(setting: str, role: Role) -> str:
    """The prior that a stage asks; of several at once the one that leads."""
    return leader(of_role(setting, role))


def of_role(setting: str, role: Role) -> str:
    """The part of the setting `prior` that a stage reads: "A, B" means A for coarse and B for fine."""
    parts = [part.strip() for part in setting.split(",")]
    if len(parts) > 2:
        raise PriorNotFound(f"`prior` names {len(parts)} models: {setting}.",
                            hint="Give one for both stages, or two: coarse, fine.")
    return parts[0 if role == "coarse" else -1]


def has_painter(setting: str) -> bool:
    """Whether the setting names an embedded prior whose painting part is there."""
    folder = Path(for_role(setting, "paint")).expanduser()
    if for_role(setting, "paint") in EMBEDDED_NAMES:
        folder = embedded.WEIGHTS_FOLDER
    return (folder / EMBEDDED_PARTS["paint"] / "model_index.json").is_file()


def split_control(name: str) -> tuple[str, str]:
    """A model's name and that of its ControlNet, "" where there is none: "A + C" is A painted through C."""
    model, _, control = name.partition(" + ")
    return model.strip(), control.strip()


def locate(setting: str, role: Role = "coarse", online: bool = False) -> Path:
    """The folder that `load` would read.

    Raises:
        PriorNotFound: there is none; the hint says what to download, from where, how large, or what to change.
    """
    name = split_control(for_role(setting, role))[0]
    if name in EMBEDDED_NAMES:
        return embedded.WEIGHTS_FOLDER / EMBEDDED_PARTS[role]
    folder = Path(name).expanduser()
    if not folder.exists() and is_hub_id(name):
        return folder_of(name, online)
    if not folder.exists():
        advice = "; ".join(model.describe() for model in suggestions(role)[:2])
        raise PriorNotFound(
            f"There is no folder {folder}, and {name!r} is not a hub id (owner/name).",
            hint=f"Models that work for the {role} stage: {advice}. {CHOOSE}",
        )
    if not folder.is_dir():
        raise PriorNotFound(
            f"{folder} is a file; a prior is a folder with model_index.json in it.",
            hint="A single-file checkpoint has to be converted to a diffusers folder first. " + CHOOSE,
        )
    # A folder as our training recipe leaves it: both parts side by side.
    part = folder / EMBEDDED_PARTS[role]
    if not (folder / "model_index.json").is_file() and (part / "model_index.json").is_file():
        return part
    return folder


def load(
    setting: str = "",
    role: Role = "coarse",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    online: bool = False,
    cache_folder: Path | None = None,
) -> Prior:
    """Loads the prior of a stage, at its own picture size; see `for_stage`.

    Args:
        setting: the job's `prior`: "" or "embedded", a folder, a hub id, or two of these separated by a comma.
        role: which stage asks.
        device: where it runs.
        dtype: of its network; None takes the fastest that is safe there (`best_dtype`).
        online: whether a hub id that isn't cached may be downloaded.
        cache_folder: keeps the results of hash checks between processes.

    Raises:
        PriorNotFound: nothing there, or not a kind that Maquette knows.
        BrokenWeights: there, but damaged, incomplete or with parts that don't fit.
    """
    device = torch.device(device)
    dtype = best_dtype(device) if dtype is None else dtype
    folder = locate(setting, role, online)
    name, wanted = split_control(for_role(setting, role))
    control = _control_folder(wanted, online) if wanted else None
    if name in EMBEDDED_NAMES:
        _only_stable_diffusion(control, "the embedded prior, which has its own")
        return embedded.load(folder, device, dtype, cache_folder)
    title = name if is_hub_id(name) else folder.name
    index = read_index(folder)
    kind = index["_class_name"]
    if any(component in index for component in multiview.PROJECTIONS):
        return multiview.load_novel_view_prior(folder, device, dtype, cache_folder, title)
    if kind in FLOWS:
        _only_stable_diffusion(control, title)
        return FLOWS[kind].load(folder, device, dtype, cache_folder, title)
    if kind != "IFPipeline" and kind not in STABLE_DIFFUSION_CLASSES:
        advice = "; ".join(model.describe() for model in suggestions(role)[:2])
        raise PriorNotFound(
            f"{folder} holds a {kind}, which Maquette can't distil from.",
            hint="It knows Stable Diffusion 1.x, 2.x, XL, 3 and 3.5, FLUX.1, FLUX.2 klein, Z-Image, DeepFloyd IF "
                 f"stage 1, Zero-1-to-3 and its own priors, for instance {advice}. {CHOOSE}",
        )
    unet = read_config(folder, "unet")
    if kind == "IFPipeline" or unet.get("class_embed_type") == "projection":
        _only_stable_diffusion(control, title)
    takes_camera = unet.get("class_embed_type") == "projection"
    if takes_camera and unet.get("projection_class_embeddings_input_dim") == embedded.CLASS_NUMBERS:
        return embedded.load(folder, device, dtype, cache_folder)
    if takes_camera:
        return multiview.load_camera_prior(folder, device, dtype, cache_folder, title)
    if kind == "IFPipeline":
        return deepfloyd.load(folder, device, dtype, cache_folder, title)
    return stable_diffusion.load(folder, device, dtype, cache_folder, title, control)


def for_stage(prior: Prior, role: Role) -> Prior:
    """The prior at the picture size that suits a stage: one that draws several is asked for smaller ones in the coarse
    stage. The same prior and role give the same object."""
    return prior.at(stage_size(prior.traits.resolution, role))


def _control_folder(name: str, online: bool) -> Path:
    folder = Path(name).expanduser()
    return folder if folder.exists() or not is_hub_id(name) else folder_of(name, online)


def _only_stable_diffusion(control: Path | None, what: str) -> None:
    if control is not None:
        raise PriorNotFound(f"`prior` names a ControlNet for {what}; Maquette uses them with Stable Diffusion.",
                            hint="Leave out the part behind the plus sign, or choose a Stable Diffusion folder.")
