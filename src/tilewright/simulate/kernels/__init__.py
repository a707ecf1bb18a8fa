"""Numeric kernels: what a tile computes, on arrays over the nest's dimensions."""
