"""The folder that ``schedule -o`` writes and ``simulate`` reads.

``schedule.json`` (the claim), ``plan.json`` (the program), ``summary.txt`` (what was printed) and ``model.json``: where
the model is, its hash and how it was loaded. A shipped network is referred to by its name, a file by its path
relative to the folder, so that both can move together; ``--model`` names another place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.errors import InputError
from tilewright.serial import from_json, to_json, write_whole

if TYPE_CHECKING:
    from tilewright.plan.plan import Plan
    from tilewright.schedule.schedule import Schedule

FILES = SCHEDULE, PLAN, SUMMARY, MODEL = "schedule.json", "plan.json", "summary.txt", "model.json"


@dataclass(frozen=True)
class SavedRun:
    """What a folder holds: a claim, and the program that it is about."""

    schedule: Schedule
    plan: Plan


def check_writable(folder: Path, names: Iterable[str] = ()) -> None:
    """Tell about a hopeless place for files of these names before any work is done for it."""
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; -o needs a folder (it is made if it does not exist)")
        place = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        if folder.is_symlink() and not folder.exists():
            raise InputError(f"{folder}: cannot be made: it is a link to nothing; name another with -o")
        if not place.is_dir():
            raise InputError(f"{folder}: cannot be made, since {place} is no folder; name another with -o")
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: cannot be written: {place} gives no permission; name another with -o")
        taken = [name for name in names if (folder / name).is_dir()]
    except OSError as error:
        raise InputError(f"{folder}: no place for a folder: {error.strerror}; name another with -o") from None
    if taken:
        raise InputError(f"{folder}: {', '.join(taken)} in it is a folder where a file is to be written; remove it")


def save(folder: Path, schedule: Schedule) -> None:
    """Write the folder's four files, or none of them; other files in the folder are left alone.

    The seconds that the search took are left out: the same input gives the same bytes.
    """
    from tilewright.cli.summary import summary
    from tilewright.plan.lower import lower
    from tilewright.workload import zoo

    source = schedule.placed.network.reference.path
    if source not in zoo.shipped():
        source = os.path.relpath(source, folder)
    schedule = replace(relocated(schedule, source), seconds=0.0)
    contents = {
        SCHEDULE: to_json(schedule, "schedule"),
        PLAN: to_json(lower(schedule), "plan"),
        SUMMARY: summary(schedule) + "\n",
        MODEL: to_json(schedule.placed.network.reference, "model"),
    }
    write_all(folder, contents)


def load(place: Path, model: str | None = None) -> SavedRun:
    """Read a folder, or the folder of a ``plan.json``; ``model`` is where the model is now."""
    from tilewright.plan.plan import Plan
    from tilewright.schedule.schedule import Schedule
    from tilewright.workload import zoo

    plan_file = place / PLAN if os.path.isdir(place) else place  # which takes names that are too long
    folder = plan_file.parent
    plan = from_json(_read(plan_file), Plan, "plan", str(plan_file))
    claim_file = folder / SCHEDULE
    schedule = from_json(_read(claim_file), Schedule, "schedule", str(claim_file))
    if plan.model != schedule.placed.network.reference or plan.arch != schedule.arch:
        raise InputError(
            f"{plan_file}: is about another model or machine than {claim_file.name} beside it;"
            " write both again with 'tilewright schedule ... -o DIR'"
        )
    source = model or plan.model.path
    if model is None and source not in zoo.shipped():
        source = str(folder / source)
    return SavedRun(relocated(schedule, source), replace(plan, model=replace(plan.model, path=source)))


def is_untouched(saved: SavedRun) -> bool:
    """Whether the program is the one that follows from the claim, as it is unless somebody changed the files."""
    from tilewright.plan.lower import lower

    try:
        return lower(saved.schedule) == saved.plan
    except Exception:  # a claim that was changed may fail in any way
        return False


def relocated(schedule: Schedule, source: str) -> Schedule:
    """The schedule with its model at another place."""
    network = schedule.placed.network
    network = replace(network, reference=replace(network.reference, path=source))
    return replace(schedule, placed=replace(schedule.placed, network=network))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; 'tilewright schedule ... -o DIR' writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def write_all(folder: Path, contents: Mapping[str, str]) -> None:
    """Write several files of a folder, or none: all are complete on the disk before the first takes its name."""
    check_writable(folder, contents)
    made = not folder.exists()
    staged = {folder / f".{name}.new": folder / name for name in contents}
    try:
        for path, content in zip(staged, contents.values(), strict=True):
            write_whole(path, content)
        for path, final in staged.items():
            os.replace(path, final)
    except (InputError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        reason = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise InputError(f"{folder}: cannot be written: {reason}; nothing was changed there") from error
    finally:
        for path in staged:
            _forget(path)
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # where nothing could be written, there is nothing to remove
        return
