"""Values for the inputs of a network: seeded, or read from a file and checked."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tilewright.errors import InputError
from tilewright.simulate.regions import Array
from tilewright.workload.network import Network, Tensor


def seeded_inputs(network: Network, seed: int = 0) -> dict[str, Array]:
    """Normally distributed values for every input, small whole numbers for integer ones; the same for the same seed.

    Each input's numbers depend on its name and shape only, not on the other inputs.
    """
    return {name: _seeded(network.by_name[name], seed) for name in network.inputs}


def _seeded(tensor: Tensor, seed: int) -> Array:
    rng = np.random.default_rng([seed, *tensor.name.encode()])
    kind = np.dtype(np.float32 if tensor.dtype == "bfloat16" else tensor.dtype)
    if kind.kind == "f":
        return rng.standard_normal(tensor.shape, dtype=np.float32).astype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, tensor.shape).astype(kind)
    return rng.integers(0 if kind.kind == "u" else -8, 8, tensor.shape).astype(kind)


def read_inputs(path: str | Path, network: Network) -> dict[str, Array]:
    """The inputs in an .npz file with one array per network input; InputError lists all that does not fit."""
    try:
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise InputError(f"{path}: holds one array without a name; save the inputs by name with numpy.savez")
        with opened as file:
            found = {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: is not an .npz file of plain arrays: {error}") from error
    problems = _problems(found, network)
    if problems:
        raise InputError([f"{path}: {problem}" for problem in problems])
    return found


def _problems(found: dict[str, Array], network: Network) -> list[str]:
    problems = [f"input '{name}' is missing" for name in network.inputs if name not in found]
    for name, value in found.items():
        if name not in network.inputs:
            problems.append(f"'{name}' is no input of the network (inputs: {', '.join(network.inputs)})")
            continue
        tensor = network.by_name[name]
        if value.shape != tensor.shape:
            problems.append(f"input '{name}' has shape {value.shape}, the network needs {tensor.shape}")
        if value.dtype.name != tensor.dtype:
            problems.append(f"input '{name}' has type {value.dtype.name}, the network needs {tensor.dtype}")
    return problems
