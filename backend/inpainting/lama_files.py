# SPDX-License-Identifier: GPL-3.0-or-later
"""LaMa files that users own: the TorchScript `big-lama.pt`, the official folder or `best.ckpt`, and safetensors.

A checkpoint of a training framework is a pickle, which may run anything; ours is read with an unpickler that makes
tensors and inert shells, and nothing else. How large the network is, the tensors' shapes say.
"""

from __future__ import annotations

import collections
import pickle
import re
import types
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.inpainting.lama import Generator, Lama, LamaConfig, Masked
from protocol.errors import BadRequest, BrokenWeights

OFFICIAL = Path("models") / "best.ckpt"
PREFIX = "generator."
HINT = "Set `inpainter` to big-lama.pt, a folder with models/best.ckpt, or a .safetensors file of the generator."


def load(path: Path, device: torch.device) -> Lama:
    """The network in a file, or in the official folder. Raises BadRequest for what is no such file, BrokenWeights for
    one that is damaged or of another architecture."""
    file = path / OFFICIAL if path.is_dir() else path
    if not file.is_file():
        raise BadRequest(f"There is no {OFFICIAL} in {path}.", path="inpainter", hint=HINT)
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return Lama(path.stem, _built(load_file(str(file)), file), device)
        except SafetensorError as problem:
            raise BrokenWeights(f"{file} cannot be read: {problem}.", hint=HINT) from problem
    if not zipfile.is_zipfile(file):
        raise BrokenWeights(f"{file} is neither TorchScript, nor a checkpoint that torch 1.6 or later saved, nor "
                            "safetensors.", hint=HINT)
    with zipfile.ZipFile(file) as archive:
        script = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if script:
        return Lama(path.stem, _script(file), device)
    return Lama(path.stem, _built(_tensors(file), file), device)


def _script(file: Path) -> Any:
    """TorchScript is a program of tensor operations; it reaches no files and no network."""
    try:
        network = torch.jit.load(str(file), map_location="cpu")
        with torch.inference_mode():
            shape = network(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)).shape
    except RuntimeError as problem:
        raise BrokenWeights(f"{file} is not a LaMa in TorchScript: {str(problem).splitlines()[0]}.",
                            hint=HINT) from problem
    if shape != (1, 3, 16, 16):
        raise BrokenWeights(f"{file} answers with {tuple(shape)} to a picture of 16 x 16 pixels.", hint=HINT)
    return network


def _built(tensors: dict[str, Tensor], file: Path) -> Masked:
    """The network of these tensors."""
    if any(name.startswith(PREFIX) for name in tensors):
        tensors = {name[len(PREFIX):]: one for name, one in tensors.items() if name.startswith(PREFIX)}
    config = _config(tensors, file)
    generator = Generator(config)
    missing, surplus = generator.load_state_dict(tensors, strict=False)
    # Counters of batch normalisation have no say in the result, and some files leave them out.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or surplus:
        raise BrokenWeights(f"{file} does not fit LaMa: {len(missing)} tensors are missing, {len(surplus)} are "
                            f"unknown, the first is {(missing + surplus)[0]}.", hint=HINT)
    return Masked(generator.float())


def _config(tensors: dict[str, Tensor], file: Path) -> LamaConfig:
    first = tensors.get("model.1.ffc.convl2l.weight")
    blocks = {name.split(".")[1] for name in tensors if re.fullmatch(r"model\.\d+\.conv1\.bn_l\.weight", name)}
    downs = [name for name in tensors if re.fullmatch(r"model\.\d+\.ffc\.convl2l\.weight", name)]
    last = f"model.{len(downs)}.ffc."
    local, far = tensors.get(f"{last}convl2l.weight"), tensors.get(f"{last}convl2g.weight")
    if first is None or not blocks or local is None or first.ndim != 4:
        raise BrokenWeights(f"{file} holds no LaMa generator.", hint=HINT)
    # Shapes come from outside: nothing is built larger than the file itself could fill.
    made_global = 0 if far is None else int(far.shape[0])
    share = made_global / (int(local.shape[0]) + made_global)
    config = LamaConfig(int(first.shape[0]), len(downs) - 1, len(blocks), share)
    with torch.device("meta"):
        wanted = sum(one.numel() for one in Generator(config).parameters())
    if wanted > 2 * sum(one.numel() for one in tensors.values()):
        raise BrokenWeights(f"{file} lacks most of the LaMa that its first tensors announce.", hint=HINT)
    return config


class _Inert:
    """Stands in for whatever a pickle names that is no tensor; takes anything, does nothing."""

    def __init__(self, *args: Any, **more: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __call__(self, *args: Any, **more: Any) -> _Inert:
        return _Inert()

    def append(self, one: Any) -> None:
        pass

    def extend(self, more: Any) -> None:
        pass


_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,  # type: ignore[no-untyped-call]
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,  # type: ignore[no-untyped-call]
}
for _name in ("float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8", "bool"):
    _ALLOWED["torch", _name] = getattr(torch, _name)


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name.endswith("Storage") and hasattr(torch, name):
            return getattr(torch, name)
        return _ALLOWED.get((module, name), _Inert)


def _tensors(file: Path) -> dict[str, Tensor]:
    """The tensors under `state_dict`, or at the top, of a pickled checkpoint."""
    reader = types.SimpleNamespace(Unpickler=_Restricted, load=None, __name__="restricted")
    try:
        found = torch.load(file, map_location="cpu", pickle_module=reader, weights_only=False)
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError, AttributeError) as problem:
        raise BrokenWeights(f"{file} cannot be read: {str(problem).splitlines()[0]}.", hint=HINT) from problem
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict):
        raise BrokenWeights(f"{file} holds no state_dict.", hint=HINT)
    return {name: one for name, one in state.items() if isinstance(name, str) and isinstance(one, Tensor)}
