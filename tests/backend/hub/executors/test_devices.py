# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia-smi says is read rightly, and whatever else it says means that there is no GPU."""

from __future__ import annotations

import sys

import pytest

from backend.hub.executors.devices import Device, Discovery, allowed, parse, wanted_slots
from protocol.errors import BadRequest

# Outputs as users posted them in public issue trackers: two plain GPUs, one divided, one of them divided, old driver.
TWO = """GPU 0: NVIDIA A100 80GB PCIe (UUID: GPU-20bed2f5-819b-69ad-8d42-d3e1446080c1)
GPU 1: NVIDIA A100 80GB PCIe (UUID: GPU-41255406-c9af-f94b-4ebf-9d57ad1853da)
"""
DIVIDED = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-513536b6-7d19-9063-b049-1e69664bb298)
  MIG 1g.20gb     Device  0: (UUID: MIG-ce861fb0-a248-58ce-a9a8-f9adbc22a66a)
  MIG 1g.20gb     Device  1: (UUID: MIG-a45882f0-9215-5733-a0c1-49286ab31cb5)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-d8594bd4-0fc3-8595-e355-7c98138f3b95)
"""
OLD_PARTS = """GPU 0: A100-PCIE-40GB (UUID: GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39)
  MIG 3g.40gb     Device  0: (UUID: MIG-GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39/1/0)
"""
MEMORY = """GPU-20bed2f5-819b-69ad-8d42-d3e1446080c1, 81920
GPU-41255406-c9af-f94b-4ebf-9d57ad1853da, [N/A]
"""
FIRST, SECOND = "GPU-20bed2f5-819b-69ad-8d42-d3e1446080c1", "GPU-41255406-c9af-f94b-4ebf-9d57ad1853da"


def test_plain_gpus():
    assert parse(TWO, MEMORY) == [
        Device("gpu0", FIRST, "NVIDIA A100 80GB PCIe", 81920 << 20), Device("gpu1", SECOND, "NVIDIA A100 80GB PCIe", 0)
    ]


def test_divided_gpus_count_as_their_parts():
    found = parse(DIVIDED)
    assert [(one.slot, one.memory >> 30) for one in found] == [("gpu0.0", 20), ("gpu0.1", 20), ("gpu1", 0)]
    assert found[1].id == "MIG-a45882f0-9215-5733-a0c1-49286ab31cb5"
    assert [one.id for one in parse(OLD_PARTS)] == ["MIG-GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39/1/0"]


@pytest.mark.parametrize("text", [
    "", "No devices were found\n",
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n",
    "Failed to initialize NVML: Driver/library version mismatch\n",
    "Unable to determine the device handle for GPU 0000:B3:00.0: GPU is lost.  Reboot the system to recover this GPU\n",
    "  MIG 1g.5gb Device 0: (UUID: MIG-without-a-gpu)\n",
])
def test_no_gpu(text):
    assert parse(text, text) == []


def test_warnings_between_the_lines_are_passed_over():
    noisy = TWO.replace("GPU 1", "WARNING: infoROM is corrupted at gpu 0000:B3:00.0\nGPU 1")
    assert parse(noisy, "WARNING: x\n" + MEMORY + "\n, ,\n") == parse(TWO, MEMORY)


@pytest.mark.parametrize(("visible", "slots"), [
    (None, ["gpu0", "gpu1"]), ("1,0", ["gpu1", "gpu0"]), ("", []), ("-1", []), ("1,9,0", ["gpu1"]),
    (SECOND, ["gpu1"]), ("GPU-20bed2f5", ["gpu0"]), ("GPU-", []),
])
def test_our_own_limits_hold_for_our_workers(visible, slots):
    assert [one.slot for one in allowed(parse(TWO), visible)] == slots


def test_slots_by_hand():
    assert wanted_slots("auto") is None and wanted_slots("") is None
    assert wanted_slots("cpu") == [Device("cpu0", "cpu")]
    assert [one.slot for one in wanted_slots("cpu:3")] == ["cpu0", "cpu1", "cpu2"]
    for bad in ("gpu", "cpu:0", "cpu:65", "cpu:x", "cpu:-1", "2"):
        with pytest.raises(BadRequest, match="slots"):
            wanted_slots(bad)


def script(tmp_path, text):
    """A program that stands for nvidia-smi."""
    import subprocess

    path = tmp_path / "smi.py"
    path.write_text(text)
    return lambda command, **options: subprocess.Popen([sys.executable, str(path), *command[1:]], **options)


def wait(discovery):
    while (found := discovery.result()) is None:
        pass
    return found


def test_the_machine_is_asked_without_waiting(tmp_path):
    answers = f"import sys, time\ntime.sleep(0.3)\nprint({TWO!r} if sys.argv[1] == '-L' else {MEMORY!r})"
    now = [0.0]
    discovery = Discovery({"CUDA_VISIBLE_DEVICES": "0"}, lambda: now[0], script(tmp_path, answers))
    assert discovery.result() is None
    assert wait(discovery) == parse(TWO, MEMORY)[:1]


def test_a_driver_that_never_answers_is_left_out(tmp_path):
    now = [0.0]
    discovery = Discovery({}, lambda: now[0], script(tmp_path, "import time\ntime.sleep(600)"))
    assert discovery.result() is None
    now[0] = 60.0
    assert discovery.result() == [Device("cpu0", "")]


def test_no_driver():
    def missing(*arguments, **options):
        raise FileNotFoundError("nvidia-smi")

    assert Discovery({}, lambda: 0.0, missing).result() == [Device("cpu0", "")]
