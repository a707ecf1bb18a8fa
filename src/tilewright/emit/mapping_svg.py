"""A mapping drawn: loops as boxes within boxes, keeps and uses coloured by operand, energy as bars."""

from __future__ import annotations

from html import escape

from tilewright.emit.explain import Explanation, Line

ROW, STEP, CHAR, PAD = 22, 14, 7.2, 10
COLOURS = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#9c6b4e")
BAR = 220


def mapping_svg(explained: Explanation) -> str:
    """The drawing as an SVG document; names are escaped, numbers carry units.

    Lines of the nest stand one below the other, each loop a box around all that it repeats; below them a bar for each
    operand at each memory, as long as its share of the energy.
    """
    operands = [operand.name for operand in explained.problem.nest.operands]
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(operands)}
    longest = max(len(f"{line.node}  {line.note}") + 2 * line.depth for line in explained.lines)
    width = int(max(longest * CHAR + 4 * PAD, 2 * PAD + 340 + BAR + 120))
    bottom = PAD + ROW * len(explained.lines)
    parts = [_line(line, k, width, bottom, colours) for k, line in enumerate(explained.lines)]
    top = bottom + 2 * PAD
    total = explained.cost.energy_pj
    parts.append(_text(PAD, top + 14, f"{total:,.0f} pJ, {explained.cost.cycles:,} cycles", weight="bold"))
    for k, share in enumerate(explained.shares, 1):
        y = top + k * ROW
        part = share.energy_pj / total if total else 0.0
        colour = colours.get(share.operand, "#888888")
        parts.append(_text(PAD, y + 14, f"{share.memory} {share.operand}".strip()))
        parts.append(f'<rect x="{PAD + 340}" y="{y + 3}" width="{part * BAR:.1f}" height="{ROW - 6}" fill="{colour}"/>')
        parts.append(_text(PAD + 340 + part * BAR + 6, y + 14, f"{share.energy_pj:,.0f} pJ, {part:.1%}"))
    height = top + (len(explained.shares) + 1) * ROW + PAD
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' font-family="monospace" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def _line(line: Line, number: int, width: int, bottom: int, colours: dict[str, str]) -> str:
    x, y = PAD + STEP * line.depth, PAD + ROW * number
    drawn = []
    operand = line.node.split()[1] if line.node.startswith(("keep ", "use ")) else None
    if line.node.startswith("for "):
        inset = STEP * line.depth
        drawn.append(
            f'<rect x="{x}" y="{y + 2}" width="{width - 2 * PAD - 2 * inset}" height="{bottom - y - 2}" fill="none"'
            ' stroke="#999999"/>'
        )
    elif operand is not None:
        size = len(line.node) * CHAR + 8
        drawn.append(
            f'<rect x="{x + 2}" y="{y + 3}" width="{size:.1f}" height="{ROW - 6}" rx="3"'
            f' fill="{colours[operand]}" fill-opacity="0.25"/>'
        )
    drawn.append(_text(x + 6, y + 15, line.node, weight="normal" if operand else "bold"))
    drawn.append(_text(x + 6 + (len(line.node) + 2) * CHAR, y + 15, line.note, colour="#555555"))
    return "\n".join(drawn)


def _text(x: float, y: float, content: str, weight: str = "normal", colour: str = "#111111") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="{colour}">{escape(content)}</text>'
