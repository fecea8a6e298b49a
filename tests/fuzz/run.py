# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes everything that reads bytes from a peer, one harness after the other, and prints what it did.

    python tests/fuzz/run.py --inputs 10000000            the offline bar: ten million inputs over all harnesses
    python tests/fuzz/run.py --seconds 60                 what the test suite does
    python tests/fuzz/run.py --only session --seconds 300
    python tests/fuzz/run.py --only session --replay out/fuzz/crashes/session-crash-...

With atheris (`pip install maquette[fuzz]`) the inputs are guided by coverage; without it our own mutations stand in
and the table says so. Each harness runs in a process of its own, under a limit of memory. Code 0: nothing broke.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "faults"), str(ROOT)]

from engines import Figures, Guarded, limit_memory, read_corpus, run_atheris, run_own  # noqa: E402

# Share of the inputs, and of the time. Parsers see bytes first and are quick; a machine runs whole conversations.
SHARES = {
    "header": (0.41, 0.10), "frames": (0.27, 0.12), "descriptors": (0.10, 0.14), "messages": (0.06, 0.18),
    "specs": (0.07, 0.06), "errors": (0.07, 0.05), "session": (0.01, 0.13), "worker": (0.008, 0.08),
    "hub": (0.002, 0.14),
}
INSTRUMENTED = ["protocol", "backend.hub", "backend.worker"]


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def load(guided: bool) -> dict:
    """All harnesses; with atheris, everything that they call is instrumented while it is imported."""
    if not guided:
        import harnesses
        import machines

        return {**harnesses.PARSERS, **machines.MACHINES}
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        import harnesses
        import machines
    return {**harnesses.PARSERS, **machines.MACHINES}


def sow(name: str, folder: Path) -> None:
    """Real headers to begin from, for the harnesses that see bytes as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    from specimens import DIRECTIONS, specimen

    from protocol import framing

    before = {"header": b"", "frames": b"\1\0"}.get(name)
    if before is None:
        return
    for direction in DIRECTIONS.values():
        for kind, message in direction.items():
            header = framing.encode(specimen(message).to_envelope(id=bytes(16)))[1]
            (folder / f"seed-{kind}").write_bytes(before + bytes(header))


def child(options: argparse.Namespace) -> int:
    """One harness, in this process."""
    guided = options.engine == "atheris"
    harness = load(guided)[options.child]
    figures = Figures(options.child, options.engine)
    guarded = Guarded(harness, figures, options.report)
    if options.replay:
        guarded(options.replay.read_bytes())
        print(f"nothing broke ({figures.slowest * 1000:.1f} ms, {figures.peak:,} bytes at most)")
        return 0
    seeds, grown = HERE / "corpus" / options.child, options.out / "corpus" / options.child
    sow(options.child, grown)
    keep = options.out / "crashes" / options.child
    guarded(b"")  # what is made once (tables, caches) is not what an input costs
    figures.peak, figures.inputs, figures.slowest = 0, 0, 0.0
    limit_memory()
    limits = options.inputs, options.seconds, options.seed
    if guided:
        run_atheris(guarded, [one for one in (grown, seeds) if one.is_dir()], *limits, keep)
    else:
        run_own(guarded, read_corpus(seeds, grown), *limits, keep)
    return 0


def run_one(name: str, options: argparse.Namespace, inputs: int, seconds: float) -> tuple[Figures, str]:
    """Run a harness in a child process; gives its figures and what it printed when it broke (else nothing)."""
    report = options.out / f"{name}.json"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, __file__, "--child", name, "--engine", options.engine, "--out", str(options.out),
        "--report", str(report), "--inputs", str(inputs), "--seconds", str(seconds), "--seed", str(options.seed),
    ]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, errors="replace")
    output = done.stdout + done.stderr
    figures = Figures(**json.loads(report.read_text())) if report.exists() else Figures(name, options.engine)
    for line in output.splitlines():  # libFuzzer's last word is more exact than our last look
        if line.startswith("Done ") and " runs in " in line:
            figures.inputs = max(figures.inputs, int(line.split()[1]))
        elif "DONE" in line and "cov:" in line:
            words = line.split()
            figures.coverage = int(words[words.index("cov:") + 1])
            figures.corpus = int(words[words.index("corp:") + 1].split("/")[0])
    trace = done.stdout[-3000:] + done.stderr[-3000:]  # Python's traceback is in the first, libFuzzer's in the second
    return figures, "" if done.returncode == 0 else trace or f"exit code {done.returncode}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2**31, help="in total, over all harnesses")
    parser.add_argument("--seconds", type=float, default=1e9, help="in total, over all harnesses")
    parser.add_argument("--only", choices=sorted(SHARES), help="one harness instead of all")
    parser.add_argument("--replay", type=Path, help="one kept input instead of new ones; needs --only")
    parser.add_argument("--engine", choices=("atheris", "own"), default="atheris" if has_atheris() else "own")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**31)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "fuzz")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.replay:
        options.child, options.engine = options.only, "own"
    if options.child:
        return child(options)
    if options.inputs == 2**31 and options.seconds == 1e9:
        options.seconds = 60.0
    options.out.mkdir(parents=True, exist_ok=True)
    names = [options.only] if options.only else list(SHARES)
    shares, times = (sum(SHARES[name][place] for name in names) for place in (0, 1))
    why = "as asked" if has_atheris() else "atheris is not installed"
    guided = "guided by coverage" if options.engine == "atheris" else f"NOT guided by coverage: {why}"
    print(f"engine {options.engine} ({guided}), seed {options.seed}", flush=True)
    print(f"{'harness':12} {'inputs':>10} {'seconds':>8} {'a second':>9} {'slowest ms':>10} {'peak MiB':>9} "
          f"{'coverage':>8} {'corpus':>6}  result", flush=True)
    done, broken = [], []
    for name in names:
        inputs = options.inputs if options.inputs == 2**31 else -int(-options.inputs * SHARES[name][0] / shares // 1)
        seconds = options.seconds if options.seconds == 1e9 else options.seconds * SHARES[name][1] / times
        figures, problem = run_one(name, options, inputs, seconds)
        done.append(figures)
        speed = figures.inputs / max(figures.seconds, 1e-9)
        print(f"{name:12} {figures.inputs:10,} {figures.seconds:8.1f} {speed:9,.0f} "
              f"{figures.slowest * 1000:10.1f} {figures.peak / 2**20:9.2f} {figures.coverage:8} {figures.corpus:6}  "
              f"{'BROKEN' if problem else 'held'}", flush=True)
        if problem:
            broken.append(name)
            print(problem, flush=True)
    total = sum(one.inputs for one in done)
    print(f"{total:,} inputs in {sum(one.seconds for one in done):.0f} s; "
          f"{'broken: ' + ', '.join(broken) if broken else 'no crash, no hang, no memory beyond the limit'}")
    (options.out / "figures.json").write_text(json.dumps(
        {"engine": options.engine, "inputs": total, "broken": broken, "harnesses": [vars(one) for one in done]},
        indent=1,
    ))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
