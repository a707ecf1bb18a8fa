"""Addresses over time, drawn: a rectangle for every buffer, its lifetime across and its bytes upwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from tilewright.memory.buffer import Buffer

WIDTH, HEIGHT, LEFT, TOP, BELOW = 1200, 720, 110, 34, 46
COLOURS = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#9c6b4e", "#97bbf5", "#9498a0")
MOST_DRAWN = 5_000
LABEL_WIDTH, LABEL_HEIGHT, CHAR = 24, 11, 6.2  # what a rectangle needs to carry its name


def memory_svg(buffers: Sequence[Buffer], offsets: Sequence[int], capacity_bytes: int) -> str:
    """The drawing as an SVG document: time to the right in the buffers' own unit, addresses upwards in bytes, the
    capacity as a line. Names are escaped; each rectangle tells name, bytes and lifetime when pointed at. Of more than
    5,000 buffers the largest by bytes times lifetime are drawn, and the heading says so.

    >>> drawn = memory_svg([Buffer("a<b", 16, 0, 2)], [0], 32)
    >>> "a&lt;b: 16 B at 0, from 0 to before 2" in drawn
    True
    """
    order = sorted(range(len(buffers)), key=lambda k: -buffers[k].size_bytes * (buffers[k].end - buffers[k].start))
    chosen = sorted(order[:MOST_DRAWN])
    first = min((buffer.start for buffer in buffers), default=0)
    last = max((buffer.end for buffer in buffers), default=1)
    peak = max((offsets[k] + buffers[k].size_bytes for k in range(len(buffers))), default=0)
    top = max(peak, capacity_bytes, 1)
    across, upwards = (WIDTH - LEFT - 20) / max(last - first, 1), (HEIGHT - TOP - BELOW) / top

    def x(time: int) -> float:
        return LEFT + (time - first) * across

    def y(address: int) -> float:
        return HEIGHT - BELOW - address * upwards

    heading = f"{len(buffers):,} buffers, peak {peak:,} B of {capacity_bytes:,} B"
    if len(chosen) < len(buffers):
        heading += f"; the {len(chosen):,} largest are drawn"
    parts = [_text(LEFT, TOP - 12, heading, size=14)]
    for k in range(5):
        address, time = top * k // 4, first + (last - first) * k // 4
        parts.append(
            f'<line x1="{LEFT}" y1="{y(address):.1f}" x2="{WIDTH - 20}" y2="{y(address):.1f}" stroke="#dddddd"/>'
        )
        parts.append(_text(LEFT - 8, y(address) + 4, f"{address:,}", anchor="end"))
        parts.append(_text(x(time), HEIGHT - BELOW + 18, f"{time:,}", anchor="middle"))
    parts.append(_text(LEFT, HEIGHT - 10, "time (sub-steps of the input) to the right, addresses (B) upwards"))
    parts += [_rectangle(buffers[k], offsets[k], k, x, y) for k in chosen]
    line = y(capacity_bytes)
    parts.append(
        f'<line x1="{LEFT}" y1="{line:.1f}" x2="{WIDTH - 20}" y2="{line:.1f}" stroke="#cc0000" stroke-dasharray="6 3"/>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="monospace" font-size="11">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>"]) + "\n"


def _rectangle(buffer: Buffer, offset: int, number: int, x: Callable[[int], float], y: Callable[[int], float]) -> str:
    left, right = x(buffer.start), x(buffer.end)
    above, below = y(offset + buffer.size_bytes), y(offset)
    told = f"{buffer.name}: {buffer.size_bytes:,} B at {offset:,}, from {buffer.start:,} to before {buffer.end:,}"
    drawn = (
        f'<rect x="{left:.2f}" y="{above:.2f}" width="{right - left:.2f}" height="{below - above:.2f}"'
        f' fill="{COLOURS[number % len(COLOURS)]}" fill-opacity="0.75" stroke="white" stroke-width="0.5">'
        f"<title>{escape(told)}</title></rect>"
    )
    fits = int((right - left) / CHAR)
    if right - left >= LABEL_WIDTH and below - above >= LABEL_HEIGHT:
        name = buffer.name if len(buffer.name) <= fits else buffer.name[: max(fits - 1, 1)] + "\u2026"
        drawn += _text((left + right) / 2, (above + below) / 2 + 4, name, anchor="middle")
    return drawn


def _text(x: float, y: float, content: str, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(content)}</text>'
