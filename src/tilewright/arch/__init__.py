"""Accelerators: what a machine is made of, read from YAML files; the machines that are shipped."""

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.arch.describe import describe
from tilewright.arch.load import catalog, load_arch

__all__ = ["Accelerator", "Array", "Memory", "VectorUnit", "Widths", "catalog", "describe", "load_arch"]
