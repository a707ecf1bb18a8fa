"""Addresses in a scratchpad: buffers with lifetimes, solvers, and a validator that shares no code with them."""

from tilewright.memory.allocate import allocate
from tilewright.memory.bestfit import pack
from tilewright.memory.buffer import Buffer, Packing, Problem, most_live
from tilewright.memory.validate import problems

__all__ = ["Buffer", "Packing", "Problem", "allocate", "most_live", "pack", "problems"]
