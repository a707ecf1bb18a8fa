"""Addresses in a scratchpad: buffers with lifetimes, a packer, and a validator that shares no code with it."""

from tilewright.memory.bestfit import pack
from tilewright.memory.buffer import Buffer, Packing, most_live
from tilewright.memory.validate import problems

__all__ = ["Buffer", "Packing", "most_live", "pack", "problems"]
