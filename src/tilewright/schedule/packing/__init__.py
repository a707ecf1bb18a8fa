"""Schedules that can be packed: what keeps one from it, and the best that is known without (docs/model.md, 10)."""
