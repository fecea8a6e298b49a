# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a diffusers folder, with every way in which it can be wrong told in words that a user can act on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from backend.priors.files import no_network, sha256_of
from protocol.errors import BrokenWeights, PriorNotFound

CHOOSE = "Set `prior` to another folder or id, or leave it empty for the embedded prior."
_SKIP_SAFETY = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def read_index(folder: Path) -> dict[str, Any]:
    """The content of model_index.json. Raises PriorNotFound or BrokenWeights."""
    if not folder.is_dir():
        raise PriorNotFound(f"There is no folder {folder}.", hint=CHOOSE)
    path = folder / "model_index.json"
    if not path.is_file():
        raise PriorNotFound(
            f"{folder} is not a diffusers model: it has no model_index.json.",
            hint="Choose the folder that holds model_index.json beside unet/ (or transformer/) and vae/. " + CHOOSE,
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenWeights(f"{path} can't be read: {error}", hint="Download the model again. " + CHOOSE) from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise BrokenWeights(f"{path} doesn't name a pipeline class.", hint="Download the model again. " + CHOOSE)
    return index


def read_config(folder: Path, component: str, name: str = "config.json") -> dict[str, Any]:
    """The configuration of one component. Raises BrokenWeights if it is missing or not JSON."""
    path = folder / component / name
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenWeights(
            f"{folder} is incomplete: {component}/{name} can't be read ({error}).",
            hint="Download the model again. " + CHOOSE,
        ) from error
    if not isinstance(config, dict):
        raise BrokenWeights(f"{path} is not a configuration.", hint="Download the model again. " + CHOOSE)
    return config


def check_safetensors(path: Path) -> None:
    """Raises BrokenWeights unless header and length of a safetensors file agree. Reads only the header.

    The format begins with the header's length (8 bytes, little endian) and the header, JSON whose data_offsets end
    where the file ends.
    """
    size = path.stat().st_size if path.exists() else 0
    try:
        header = safetensors_header(path)
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
        expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if size != expected:
            raise ValueError(f"it has {size:,} bytes of {expected:,}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BrokenWeights(
            f"The weights file {path} is damaged: {error}.",
            hint="The download was probably interrupted: delete the file and download it again. " + CHOOSE,
            detail={"path": str(path), "size": size},
        ) from error


def safetensors_header(path: Path) -> dict[str, Any]:
    """Tensor names and their entries. Raises ValueError or OSError for anything that isn't such a file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("it ends inside its header")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is not a table of tensors")
    header.pop("__metadata__", None)
    return header


def network_of(folder: Path) -> str:
    """The component that denoises: 'transformer' or 'unet'."""
    return "transformer" if (folder / "transformer").is_dir() else "unet"


def variant_of(folder: Path) -> str | None:
    """'fp16' when the folder holds its network only under that name, else None."""
    names = [path.name for path in (folder / network_of(folder)).glob("*.safetensors")]
    return "fp16" if names and all(".fp16." in name for name in names) else None


def weights_revision(folder: Path, cache_folder: Path | None = None) -> str:
    """12 hex digits that change when the network's weights do (the first part of them, where they lie in several)."""
    network = network_of(folder)
    files = sorted((folder / network).glob("*.safetensors"))
    if not files:
        raise BrokenWeights(
            f"{folder} is incomplete: {network}/ holds no safetensors weights.",
            hint="Download it in safetensors format; older .bin files can run code and are not loaded. " + CHOOSE,
        )
    return sha256_of(files[0], cache_folder)[:12]


def load_pipeline(folder: Path, dtype: torch.dtype, **given: Any) -> Any:
    """`DiffusionPipeline.from_pretrained` on a local folder, offline, safetensors only.

    Args:
        given: components to use instead of the folder's, None for "leave it out".

    Raises:
        BrokenWeights: with the file or component at fault.
    """
    index = read_index(folder)
    for path in sorted(folder.glob("*/*.safetensors")):
        if given.get(path.parent.name, ...) is ...:
            check_safetensors(path)
    accepted = {name: value for name, value in _SKIP_SAFETY.items() if name in index}
    try:
        with no_network(), quiet():
            from diffusers import DiffusionPipeline

            pipeline = DiffusionPipeline.from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True, variant=variant_of(folder),
                **{**accepted, **given})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise BrokenWeights(
            f"{folder} could not be loaded as {index['_class_name']}: {_first_line(error)}",
            hint="It is incomplete or made for another version of diffusers: download it again. " + CHOOSE,
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    for name in ("unet", "transformer", "vae"):
        if getattr(pipeline, name, None) is not None and given.get(name, ...) is ...:
            check_complete(getattr(pipeline, name), folder / name)
    return pipeline


def load_component(folder: Path, name: str, dtype: torch.dtype | None = None) -> Any:
    """One component of a pipeline folder, by the class that model_index.json names for it; offline, safetensors only.

    Raises BrokenWeights if the folder has no such component or it can't be loaded.
    """
    library, kind = (read_index(folder).get(name) or (None, None))[:2]
    if library not in ("diffusers", "transformers") or not isinstance(kind, str):
        raise BrokenWeights(f"{folder} has no {name} that could be loaded (model_index.json says {library}.{kind}).",
                            hint="Download the model again. " + CHOOSE)
    weights = sorted((folder / name).glob("*.safetensors"))
    for path in weights:
        check_safetensors(path)
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "use_safetensors": True}
    if weights and all(".fp16." in path.name for path in weights):
        options["variant"] = "fp16"
    try:
        with no_network(), quiet():
            cls = getattr(import_module(library), kind)
            return cls.from_pretrained(folder / name, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise BrokenWeights(f"{name} of {folder} could not be loaded as {kind}: {_first_line(error)}",
                            hint="Download the model again. " + CHOOSE) from error


def check_complete(network: Any, folder: Path) -> None:
    """Raises BrokenWeights if the files lack a tensor of the network; diffusers would leave it random and only warn."""
    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        stored |= set(safetensors_header(path))
    # Attention layers of checkpoints from before diffusers 0.15 have other names, which diffusers translates.
    renamed = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
    for old, new in renamed.items():
        stored |= {name.replace(old, new) for name in stored if old in name}
    missing = sorted(set(network.state_dict()) - stored)
    if missing:
        raise BrokenWeights(
            f"The weights in {folder} don't fit their config.json: {len(missing)} tensors are missing, "
            f"the first is {missing[0]}.",
            hint="The files of two models were mixed, or the download is incomplete: download it again. " + CHOOSE,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, diffusers and transformers keep warnings and progress bars to themselves; errors still raise.

    They warn of what is decided here on purpose (another class of text encoder, no safety checker, no torchvision), and
    a worker's log should not alarm anybody.
    """
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    levels = of_diffusers.get_verbosity(), of_transformers.get_verbosity()
    bars = of_diffusers.is_progress_bar_enabled(), of_transformers.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for module in (of_diffusers, of_transformers):
                module.set_verbosity_error()
                module.disable_progress_bar()
            yield
        finally:
            for module, level, bar in zip((of_diffusers, of_transformers), levels, bars, strict=True):
                module.set_verbosity(level)
                if bar:
                    module.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
