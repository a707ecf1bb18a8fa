"""Results of nest searches on disk, so that equal nests are solved once.

One SQLite file, safe with several processes. A row is data only, and it is not believed: its mapping is judged again
and costed again when it is read, so that a wrong row can lose a bound but never tell a wrong cost. Whatever is wrong
with the file (damaged, locked, foreign, not writable) means that there is no stored result, never an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import TilewrightError
from tilewright.mapping.constraints import UNCONSTRAINED, Constraints, satisfied
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import MAX_STEPS, Effort, NestResult, map_nest
from tilewright.mapping.text import format_mapping, parse_mapping

if TYPE_CHECKING:
    from tilewright.mapping.optimal.compiling import Progress

MODEL_VERSION = 20  # raise it with every change of the model or of what the search promises
MOST_ROWS = 50_000
_TABLE = "create table if not exists mappings (key text primary key, used real not null, document text not null)"


def store_path(name: str = "nests.sqlite") -> Path | None:
    """The file of a store: in the folder ``TILEWRIGHT_CACHE`` (``off``: none), else in the user's cache folder."""
    folder = os.environ.get("TILEWRIGHT_CACHE", "")
    if folder == "off":
        return None
    if folder:
        return Path(folder) / name
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "tilewright" / name


def result_key(
    problem: NestProblem, objective: str, max_steps: int, effort: Effort, constraints: Constraints = UNCONSTRAINED
) -> str:
    """A name for everything that a result depends on: whatever else is on disk, the same question has the same answer.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> tiny = tw.load_arch("tiny")
    >>> problem = default_problem(tw.gemm(M=4, N=4, K=4), tiny, tiny.layout)
    >>> result_key(problem, "edp", 100, "good") == result_key(problem, "energy", 100, "good")
    False
    """
    named = replace(problem, arch=replace(problem.arch, name="", source=""))  # which cost nothing
    text = json.dumps(
        [MODEL_VERSION, objective, max_steps, effort, plain(named), plain(constraints)], separators=(",", ":")
    )
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value as lists, texts and numbers in one order."""
    if is_dataclass(value):
        return [type(value).__name__, *(plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(one) for one in value)
    if isinstance(value, dict):
        return sorted([plain(key), plain(one)] for key, one in value.items())
    if isinstance(value, float):
        return value.hex()
    return str(value) if isinstance(value, Fraction) else value


@dataclass(frozen=True)
class Store:
    """The results in one file, of searches under some constraints."""

    path: Path
    constraints: Constraints = UNCONSTRAINED

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(self.path, timeout=2.0, isolation_level=None)
        base.execute(_TABLE)
        return base

    def get(self, problem: NestProblem, objective: str, max_steps: int, effort: Effort) -> NestResult | None:
        """The result of this effort; None if there is none that holds."""
        key = result_key(problem, objective, max_steps, effort, self.constraints)
        try:
            with closing(self._open()) as base:
                row = base.execute("select document from mappings where key = ?", (key,)).fetchone()
                if row is None:
                    return None
                base.execute("update mappings set used = ? where key = ?", (time.time(), key))
            return _read(row[0], problem, objective, self.constraints)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError, TilewrightError):
            return None

    def put(self, problem: NestProblem, objective: str, max_steps: int, effort: Effort, result: NestResult) -> None:
        """Keep a result, instead of one that is there."""
        key = result_key(problem, objective, max_steps, effort, self.constraints)
        try:
            with closing(self._open()) as base:
                base.execute("begin immediate")
                base.execute("insert or replace into mappings values (?, ?, ?)", (key, time.time(), _written(result)))
                base.execute(
                    "delete from mappings where key in (select key from mappings order by used desc limit -1 offset ?)",
                    (MOST_ROWS,),
                )
                base.execute("commit")
        except (sqlite3.Error, OSError):
            return


def _written(result: NestResult) -> str:
    return json.dumps(
        {
            "mapping": format_mapping(result.mapping),
            "bound": result.bound,
            "status": result.status,
            "evaluated": result.evaluated,
            "seconds": result.seconds,
            "space": result.space,
            "nodes": result.nodes,
            "pruned": dict(result.pruned),
        }
    )


def _read(document: str, problem: NestProblem, objective: str, constraints: Constraints) -> NestResult | None:
    row = json.loads(document)
    mapping = parse_mapping(row["mapping"], problem.nest, problem.arch)
    if problems(problem, mapping) or not satisfied(constraints, mapping, problem.nest):
        return None
    cost = evaluate(problem, mapping)
    value, bound = cost.value(objective), float(row["bound"])
    proven = row["status"] == "optimal"
    if not 0 <= bound <= value * (1 + 1e-9) or proven != (value <= bound * (1 + 1e-12)):
        return None
    return NestResult(
        mapping, cost, bound, max(0.0, (value - bound) / bound) if bound > 0 else 0.0,
        "optimal" if proven else "feasible", int(row["evaluated"]), float(row["seconds"]), str(row["space"]),
        int(row["nodes"]), tuple((str(rule), int(number)) for rule, number in sorted(row["pruned"].items())),
    )  # fmt: skip


def stored_map_nest(
    problem: NestProblem,
    objective: str = "edp",
    *,
    effort: Effort = "proof",
    max_steps: int = MAX_STEPS,
    timeout: float | None = None,
    cache: bool = True,
    constraints: Constraints = UNCONSTRAINED,
    progress: Progress | None = None,
) -> NestResult:
    """``map_nest``, asked once for equal problems: results are kept on disk unless ``cache`` is false.

    What a time limit cut short is not kept, unless it was proven. ``seconds`` are those of the search that was made.
    """
    known = stored(problem, objective, effort, cache, max_steps, constraints)
    if known is not None:
        return known
    result = map_nest(
        problem, objective, effort=effort, max_steps=max_steps, timeout=timeout, constraints=constraints,
        progress=progress,
    )  # fmt: skip
    path = store_path() if cache else None
    whole = not result.interrupted and (timeout is None or result.seconds < 0.9 * timeout)
    if path is not None and (result.status == "optimal" or whole):
        Store(path, constraints).put(problem, objective, max_steps, effort, result)
    return result


def stored(
    problem: NestProblem,
    objective: str,
    effort: Effort,
    cache: bool = True,
    max_steps: int = MAX_STEPS,
    constraints: Constraints = UNCONSTRAINED,
) -> NestResult | None:
    """What is on disk of a problem and an effort; None without ``cache``."""
    path = store_path() if cache else None
    return None if path is None else Store(path, constraints).get(problem, objective, max_steps, effort)
