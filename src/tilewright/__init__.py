"""Tilewright: the best way to run a neural network on an accelerator with scratchpad memory, proven and executed."""
