"""Sums of products with one factor per component, as arrays: what bounds are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tilewright.mapping.optimal.features import Floats

TOTAL, LONGEST, ROOM = 0, 1, 2
MIXED = -1
TINY = 1e-12
# (what, item or operand or axis, segment): a product over components.
Feature = tuple[str, int, int]


@dataclass
class Form:
    """A sum of features with coefficients, and a constant."""

    terms: dict[Feature, float] = field(default_factory=dict)
    constant: float = 0.0

    def add(self, feature: Feature, coefficient: float) -> None:
        self.terms[feature] = self.terms.get(feature, 0.0) + coefficient

    def take(self, other: Form, scale: float) -> None:
        for feature, coefficient in other.terms.items():
            self.add(feature, coefficient * scale)
        self.constant += other.constant * scale

    def scaled(self, scale: float) -> Form:
        form = Form()
        form.take(self, scale)
        return form


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Groups of features: ``coefficients[g]`` and ``constants[g]`` of every group, and what a group is: a factor of the
    objective (TOTAL), one of those whose largest is a factor (LONGEST), or at most 1 (ROOM). ``logs`` are the features
    of each component's candidates, in logarithms; ``items`` are the keeps on whose tiles they depend (``MIXED``:
    several)."""

    logs: tuple[Floats, ...]
    coefficients: Floats
    constants: Floats
    roles: Any
    items: Any

    @property
    def separate(self) -> Relaxed:
        """The same without groups of features that depend on the tiles of several keeps."""
        mixed = self.items == MIXED
        if not mixed.any():
            return self
        groups = (self.coefficients[:, mixed] == 0).all(axis=1)
        return Relaxed(
            tuple(np.ascontiguousarray(one[:, ~mixed]) for one in self.logs),
            np.ascontiguousarray(self.coefficients[np.ix_(groups, ~mixed)]),
            self.constants[groups],
            self.roles[groups],
            self.items[~mixed],
        )

    def only(self, masks: list[Any]) -> Relaxed:
        """The same for some of the candidates: as valid, not as tight as it could be."""
        return replace(self, logs=tuple(log[mask] for log, mask in zip(self.logs, masks, strict=True)))
