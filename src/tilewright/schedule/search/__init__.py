"""Exact search for the best schedule of a whole network over its offers (docs/model.md, section 9)."""
