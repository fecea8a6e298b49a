# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices this machine has, found without torch: `nvidia-smi` is asked and read with patience.

The hub must not wait for it (a sleeping driver answers after seconds), so `Discovery` starts the command and is asked
now and then. Whatever goes wrong means "no GPU", never an error: a hub without GPUs is a hub with a CPU.
"""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.hub.executors.environment import CPU
from protocol.errors import BadRequest

log = logging.getLogger("maquette.hub")

LIST = ("nvidia-smi", "-L")
MEMORY = ("nvidia-smi", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
PATIENCE_SECONDS = 15.0  # for both answers
MOST_SLOTS = 64

_GPU = re.compile(r"GPU (\d+): (.*?) ?\(UUID: (GPU-[0-9A-Za-z-]+)\)\s*$")
_PART = re.compile(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[0-9A-Za-z/-]+)\)\s*$")


@dataclass(frozen=True)
class Device:
    """slot: short name. id: what CUDA_VISIBLE_DEVICES takes, "cpu", or empty to leave the choice to the worker.
    label: for people. memory: bytes, 0 when unknown. machine: empty for this one."""

    slot: str
    id: str
    label: str = ""
    memory: int = 0
    machine: str = ""


def parse(listing: str, memory: str = "") -> list[Device]:
    """Devices out of what `nvidia-smi -L` and the query for memory said; lines of any other form are passed over.

    A GPU that is divided (MIG) counts as its parts, for CUDA shows a process one part at most.
    """
    sizes: dict[str, int] = {}
    for line in memory.splitlines():
        name, _, size = (word.strip() for word in line.partition(","))
        if name.startswith("GPU-") and size.isdecimal():
            sizes[name] = int(size) << 20
    whole: dict[str, Device] = {}
    parts: dict[str, list[Device]] = {}
    owner = ""
    for line in listing.splitlines():
        if gpu := _GPU.match(line):
            number, label, owner = gpu.groups()
            whole[owner] = Device(f"gpu{number}", owner, label, sizes.get(owner, 0))
        elif owner and (cut := _PART.match(line)):
            profile, number, name = cut.groups()
            parent = whole[owner]
            gigabytes = re.search(r"\.(\d+)gb", profile)
            parts.setdefault(owner, []).append(Device(
                f"{parent.slot}.{number}", name, f"{parent.label} {profile}",
                int(gigabytes[1]) << 30 if gigabytes else 0,
            ))
    return [one for name, device in whole.items() for one in parts.get(name, [device])]


def allowed(devices: Sequence[Device], visible: str | None) -> list[Device]:
    """Those that our own CUDA_VISIBLE_DEVICES leaves: indices or (beginnings of) UUIDs, up to the first bad one."""
    if visible is None:
        return list(devices)
    chosen: list[Device] = []
    for word in (one.strip() for one in visible.split(",")):
        fits = [one for one in devices if (one.slot == f"gpu{word}" if word.isdecimal() else
                                           len(word) > 4 and one.id.startswith(word))]
        if len(fits) != 1:
            break  # as the CUDA runtime reads it
        chosen += fits
    return chosen


def wanted_slots(text: str) -> list[Device] | None:
    """What `--slots` means: `auto` None (look for GPUs), `cpu:2` two places on the CPU. Raises BadRequest."""
    if text in ("", "auto"):
        return None
    name, _, count = text.partition(":")
    if name != CPU or not (count or "1").isdecimal() or not 1 <= int(count or 1) <= MOST_SLOTS:
        raise BadRequest(
            f"The slots {text!r} make no sense.", path="slots", hint="Say auto, cpu, or cpu:2 (up to cpu:64)."
        )
    return [Device(f"cpu{number}", CPU) for number in range(int(count or 1))]


class Discovery:
    """One look at the machine. run: starts a command, as subprocess.Popen does."""

    def __init__(
        self, environ: Mapping[str, str], clock: Callable[[], float],
        run: Callable[..., subprocess.Popen[str]] = subprocess.Popen,
    ) -> None:
        self._visible = environ.get("CUDA_VISIBLE_DEVICES")
        self._clock = clock
        self._until = clock() + PATIENCE_SECONDS
        self._asked: list[subprocess.Popen[str]] = []
        try:
            for command in (LIST, MEMORY):
                self._asked.append(run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, errors="replace"))
        except OSError:
            self._asked = []  # no NVIDIA driver on this machine

    def result(self) -> list[Device] | None:
        """The devices, or None while the driver has not answered. No GPU: one place whose worker looks for itself."""
        if any(one.poll() is None for one in self._asked):
            if self._clock() < self._until:
                return None
            log.warning("nvidia-smi did not answer in %.0f s; its devices are left out", PATIENCE_SECONDS)
            for one in self._asked:
                one.kill()
        texts = [one.communicate()[0] for one in self._asked]
        self._asked = []
        found = allowed(parse(*texts), self._visible) if texts else []
        return found or [Device("cpu0", "")]
