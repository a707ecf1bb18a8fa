"""Static memory allocation: the public MiniMalloc instances by the greedy and by the complete search.

    python benchmarks/minimalloc.py --instances ../shared/minimalloc --seconds 60 --cp-sat 60

An instance is a file of columns id, lower, upper, size, with the capacity (B) in its name: ``A.1048576.csv``. Prints a
markdown table: buffers, capacity, most live bytes, the greedy's peak, and status, seconds and placements tried of the
complete search; with ``--cp-sat`` also status and seconds of a constraint solver (one thread) where ortools is
installed. What loads compiled code (or compiles) comes before, with another instance. Exit code 1 if one is not solved.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tilewright.memory.bestfit import pack
from tilewright.memory.buffer import Buffer, Problem
from tilewright.memory.csv_file import read_buffers
from tilewright.memory.exact import solve
from tilewright.memory.validate import problems

INSTANCES = Path(__file__).resolve().parents[2] / "shared" / "minimalloc"


def by_cp_sat(problem: Problem, seconds: float) -> tuple[str, float]:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    across, up = [], []
    for b in problem.buffers:
        offset = model.new_int_var(0, (problem.capacity_bytes or 0) - b.size_bytes, "")
        across.append(model.new_fixed_size_interval_var(b.start, b.end - b.start, ""))
        up.append(model.new_fixed_size_interval_var(offset, b.size_bytes, ""))
    model.add_no_overlap_2d(across, up)
    model.add_cumulative(across, [b.size_bytes for b in problem.buffers], problem.capacity_bytes or 0)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    began = time.perf_counter()
    status = solver.solve(model)
    names = {cp_model.OPTIMAL: "feasible", cp_model.FEASIBLE: "feasible", cp_model.INFEASIBLE: "infeasible"}
    return names.get(status, "limit"), time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=Path, default=INSTANCES)
    parser.add_argument("--seconds", type=float, default=60, help="deadline of each complete search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cp-sat", type=float, default=0, metavar="SECONDS", help="deadline of the constraint solver")
    options = parser.parse_args()
    paths = sorted(options.instances.glob("*.csv"))
    if not paths:
        print(f"no instances in {options.instances}")
        return 1
    began = time.perf_counter()
    # Live bytes fit, the buffers do not: this goes through the search.
    solve(Problem((Buffer("a", 2, 0, 2, address=1), Buffer("b", 2, 0, 1), Buffer("c", 1, 1, 2)), 4))
    loading = time.perf_counter() - began
    other = " CP-SAT | seconds |" if options.cp_sat else ""
    print("| instance | buffers | capacity, B | live, B | greedy peak / capacity | status | seconds | nodes |" + other)
    print("|---|--:|--:|--:|--:|---|--:|--:|" + ("---|--:|" if options.cp_sat else ""))
    solved, total, nodes, other_total = 0, 0.0, 0, 0.0
    for path in paths:
        problem = Problem(read_buffers(path).buffers, int(path.name.split(".")[-2]))
        greedy = pack(problem.buffers, 1 << 60).peak_bytes
        began = time.perf_counter()
        deadline = time.monotonic() + options.seconds
        found = solve(problem, budget=1 << 40, deadline=deadline, seed=options.seed)
        took = time.perf_counter() - began
        status: str = found.status
        if found.offsets and problems(problem.buffers, found.offsets, problem.capacity_bytes or 0):
            status = "WRONG"
        solved, total, nodes = solved + (status == "feasible"), total + took, nodes + found.nodes
        row = (
            f"| {path.name.split('.')[0]} | {len(problem.buffers)} | {problem.capacity_bytes} | {found.live_bytes} |"
            f" {greedy / (problem.capacity_bytes or 1):.3f} | {status} | {took:.2f} | {found.nodes} |"
        )
        if options.cp_sat:
            status, took = by_cp_sat(problem, options.cp_sat)
            other_total += took
            row += f" {status} | {took:.2f} |"
        print(row, flush=True)
    row = f"| total | | | | | {solved} of {len(paths)} | {total:.2f} | {nodes} |"
    print(row + (f" | {other_total:.2f} |" if options.cp_sat else ""))
    print(f"\nloading compiled code, in another problem: {loading:.1f} s")
    return 0 if solved == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
