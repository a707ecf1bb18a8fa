"""AccelForge, ZigZag and Tilewright on identical problems, in one run: value and processor seconds.

    python benchmarks/peers/compare.py [--limit SECONDS] [--python312 PATH] [--folder DIR]

Each peer is installed by name into an environment of its own below ``--folder``, which is made where it is missing;
AccelForge needs a Python 3.12. Every problem is solved in a fresh process; what is counted are its processor seconds
after imports, and for Tilewright after compilation. A peer that cannot be installed is left out with a sentence, and an
answer that does not come within ``--limit`` seconds is none. ZigZag's mapping is also costed on the machine by
Tilewright's model, since its own model reads no operand again that the innermost loop leaves alone.
Exits 1 if a peer's value is below what Tilewright calls optimal.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from problems import LAYERS, MACHINES, PROBLEMS, Answer

HERE = Path(__file__).resolve().parent
PACKAGES = {"AccelForge": ["accelforge"], "ZigZag": ["zigzag-dse", "six"]}
CHILDREN = {"AccelForge": "accelforge_child.py", "ZigZag": "zigzag_child.py", "Tilewright": "tilewright_child.py"}


def environment(tool: str, python: str | None, folder: Path) -> Path | None:
    """The Python of a tool's own environment; None, with a sentence, where it cannot be had."""
    home = folder / tool.lower()
    own = home / "bin" / "python"
    if not (home / "ready").exists():
        if python is None:
            print(f"{tool} is left out: it needs a Python 3.12, give --python312 PATH", file=sys.stderr)
            return None
        print(f"installing {tool} ...", file=sys.stderr)
        steps = [python, "-m", "venv", str(home)], [str(own), "-m", "pip", "install", "--quiet", *PACKAGES[tool]]
        if any(subprocess.run(step, stdout=subprocess.DEVNULL).returncode for step in steps):
            print(f"{tool} is left out: {' '.join(PACKAGES[tool])} could not be installed", file=sys.stderr)
            return None
        (home / "ready").touch()
    return own


def answer(python: Path, tool: str, problem: tuple[str, str, str], limit: float) -> Answer | None:
    """A tool's answer; None if there is none in time."""
    command = [str(python), str(HERE / CHILDREN[tool]), *problem]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, cwd=folder)
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        raise SystemExit(f"{tool} failed on {' '.join(problem)}:\n{done.stderr[-2000:]}")
    found: Answer = json.loads(done.stdout.splitlines()[-1])
    return found


def recosted(problem: tuple[str, str, str], mapping: str) -> float:
    """A mapping's cost on the machine, by Tilewright's model."""
    from tilewright_child import problem_of

    from tilewright.mapping.search import evaluated
    from tilewright.mapping.text import parse_mapping

    machine, layer, objective = problem
    exact = problem_of(MACHINES[machine], LAYERS[layer])
    return evaluated(exact, parse_mapping(mapping, exact.nest, exact.arch), objective).cost.value(objective)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=200.0, help="seconds for one answer")
    parser.add_argument("--python312", default=shutil.which("python3.12"), help="a Python 3.12 for AccelForge")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "tilewright-peers")
    options = parser.parse_args()
    pythons = {
        "Tilewright": Path(sys.executable),
        "AccelForge": environment("AccelForge", options.python312, options.folder),
        "ZigZag": environment("ZigZag", sys.executable, options.folder),
    }
    print("| machine | layer | objective | tool | value | status | CPU s |")
    print("|---|---|---|---|--:|---|--:|")
    beaten = 0
    for problem in PROBLEMS:
        least = 0.0
        for tool, python in pythons.items():
            if python is None or (tool == "ZigZag" and not MACHINES[problem[0]]["axes"]):
                continue
            found = answer(python, tool, problem, options.limit)
            head = f"| {' | '.join(problem)} | {tool}"
            if found is None:
                print(f"{head} | | no answer in {options.limit:.0f} s | |", flush=True)
                continue
            status = found.get("status", "")
            if tool == "Tilewright":
                least = float(str(found["bound"]))
            value = float(str(found["value"]))
            if "mapping" in found:
                print(f"{head}, its own model | {value:,.0f} | | |")
                value = recosted(problem, str(found["mapping"]))
                head += ", its mapping on the machine"
            beaten += value < least * (1 - 1e-9)
            print(f"{head} {found['version']} | {value:,.0f} | {status} | {found['cpu_seconds']:.1f} |", flush=True)
    return min(beaten, 1)


if __name__ == "__main__":
    sys.exit(main())
