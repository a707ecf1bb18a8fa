"""The packages import one way only, and no file outgrows one idea."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tilewright"
MOST_LINES = 600

# What each part may import besides itself. `tilewright` itself (the public interface) is the part named "".
ALLOWED: dict[str, frozenset[str]] = {"errors": frozenset()}
ALLOWED["serial"] = frozenset({"errors"})
ALLOWED["workload"] = frozenset({"errors", "serial"})
ALLOWED["arch"] = frozenset({"errors", "serial"})
ALLOWED["memory"] = frozenset({"errors"})
ALLOWED["mapping"] = frozenset({"errors", "serial", "workload", "arch"})
ALLOWED["schedule"] = ALLOWED["mapping"] | {"mapping", "memory"}
ALLOWED["plan"] = ALLOWED["schedule"] | {"schedule"}
ALLOWED["simulate"] = ALLOWED["plan"] | {"plan"}
ALLOWED["emit"] = ALLOWED["simulate"] | {"simulate"}
ALLOWED["explore"] = ALLOWED["simulate"] | {"simulate"}
ALLOWED[""] = ALLOWED["explore"] | {"explore", "emit"}
ALLOWED["studies"] = ALLOWED[""] | {""}
ALLOWED["cli"] = ALLOWED["studies"] | {"studies"}
ALLOWED["__main__"] = frozenset({"cli"})


def part_of(parts: tuple[str, ...], root: Path) -> str:
    """The part that a dotted name below the package belongs to: a folder or file of that name, or the package."""
    if parts and ((root / parts[0]).is_dir() or (root / f"{parts[0]}.py").is_file()):
        return parts[0]
    return ""


def imported(path: Path, root: Path) -> list[tuple[int, str]]:
    """Line and part of every import of the package's own code, wherever in the file it stands."""
    found = []
    below = path.relative_to(root).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ["tilewright", *below][: len(below) + 2 - node.level] if node.level else []
            base = base + (node.module or "").split(".") if node.module else base
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        found += [(node.lineno, part_of(tuple(name[1:]), root)) for name in names if name[0] == "tilewright"]
    return found


def faults(root: Path) -> list[str]:
    """Every import that points up or sideways, and every file of a part that has no place in the order."""
    found = []
    for path in sorted(root.rglob("*.py")):
        own = part_of(Path(path.relative_to(root).parts[0]).with_suffix("").parts, root)
        own = "" if path == root / "__init__.py" else own
        where = path.relative_to(root)
        if own not in ALLOWED:
            found.append(f"{where}: `{own}` has no place in the order of layers")
            continue
        for line, part in imported(path, root):
            if part != own and part not in ALLOWED[own]:
                found.append(f"{where}:{line}: `{own}` must not import `{part or 'tilewright'}`")
    return found


def test_layers_import_one_way_only() -> None:
    assert faults(PACKAGE) == []


def test_an_import_that_points_up_is_caught_in_every_spelling(tmp_path: Path) -> None:
    for name in ("arch", "workload", "cli", "guesses"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "__init__.py").write_text("from tilewright.arch.good import f\n")
    (tmp_path / "errors.py").write_text("import tilewright.arch.good\n")
    (tmp_path / "arch" / "good.py").write_text("import ast\nfrom ..errors import E\nfrom . import other\n")
    (tmp_path / "arch" / "bad.py").write_text(
        "from tilewright import workload\nfrom ..workload import x\ndef f():\n    import tilewright.cli.app\n"
        "from tilewright import schedule\nfrom .. import cli\n"
    )
    (tmp_path / "cli" / "app.py").write_text("from tilewright import arch, load_arch\nfrom tilewright.arch import x\n")
    assert faults(tmp_path) == [
        "arch/bad.py:1: `arch` must not import `workload`",
        "arch/bad.py:2: `arch` must not import `workload`",
        "arch/bad.py:5: `arch` must not import `tilewright`",
        "arch/bad.py:6: `arch` must not import `cli`",
        "arch/bad.py:4: `arch` must not import `cli`",
        "errors.py:1: `errors` must not import `arch`",
        "guesses/__init__.py: `guesses` has no place in the order of layers",
    ]


def test_no_file_outgrows_one_idea() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    long = {str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text("utf-8").splitlines())) > MOST_LINES}
    assert long == {}
