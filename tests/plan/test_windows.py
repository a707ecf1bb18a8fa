"""Intervals of groups against sets of indices, counted one by one (docs/model.md, section 8)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tilewright.plan.spans import Span, footprint, hull, intervals, whole
from tilewright.plan.windows import _everything, _needs, _window
from tilewright.workload.nest import Axis


@st.composite
def windows(draw: st.DrawFn) -> tuple[Axis, dict[str, Span], int]:
    """An axis of a convolution's input, whose rows come in chunks."""
    rows, tile = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    filters, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    pad = draw(st.integers(0, 4))
    size = max(1, (rows - 1) * stride + (filters - 1) * dilation + 1 - pad - draw(st.integers(0, 3)))
    axis = Axis((("Y", stride), ("R", dilation)), size, 0, offset=-pad)
    chunks = [(at, min(at + tile, rows)) for at in range(0, rows, tile)]
    return axis, {"Y": intervals(0, chunks), "R": whole(filters)}, len(chunks)


def indices(axis: Axis, dims: dict[str, Span], chunk: int) -> set[int]:
    (_, stride), (_, dilation) = axis.terms
    rows = dims["Y"]
    return {
        axis.offset + stride * y + dilation * r
        for y in range(rows.starts[chunk], rows.starts[chunk] + rows.counts[chunk])
        for r in range(dims["R"].counts[0])
    }


@given(windows())
def test_a_map_holds_what_is_touched_and_what_lies_between(drawn: tuple[Axis, dict[str, Span], int]) -> None:
    axis, dims, chunks = drawn
    found, held = footprint(axis, dims, {"Y": dims["Y"].ends()[-1], "R": dims["R"].counts[0]}), hull(axis, dims)
    for chunk in range(chunks):
        touched = indices(axis, dims, chunk)
        between = {i for i in range(min(touched), max(touched) + 1) if 0 <= i < axis.size}
        assert set(range(held.starts[chunk], held.ends()[chunk])) == between
        start, count, step = found.starts[chunk], found.counts[chunk], found.steps[chunk]
        told = {start + j * step for j in range(count)}
        assert {i for i in touched if 0 <= i < axis.size} <= told <= between


@given(windows(), st.booleans())
def test_what_is_cached_is_computed_once_and_there_when_needed(
    drawn: tuple[Axis, dict[str, Span], int], elsewhere: bool
) -> None:
    axis, dims, chunks = drawn
    needs = _needs([(hull(axis, dims), 0)], axis.size, chunks)
    needs = _everything(needs, axis.size) if elsewhere else needs
    cached, plain = (_window(0, axis.size, needs, cached=flag) for flag in (True, False))
    there: set[int] = set()
    stored: list[int] = []
    for chunk in range(chunks):
        new = set(range(cached.new.starts[chunk], cached.new.ends()[chunk]))
        assert not new & there
        there |= new
        need = needs[chunk]
        wanted = set(range(*need)) if need is not None else set()
        assert wanted <= there
        held = set(range(cached.held.starts[chunk], cached.held.ends()[chunk]))
        assert wanted <= held
        assert wanted == set(range(plain.new.starts[chunk], plain.new.ends()[chunk]))
        stored += range(cached.once.starts[chunk], cached.once.ends()[chunk])
    if elsewhere:
        assert stored == list(range(axis.size))
        assert there == set(range(axis.size))
