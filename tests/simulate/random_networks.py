"""Random small networks as ONNX models: odd shapes, branches, concatenations, every kind of convolution."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper
from tests.simulate.models import model

Shape = tuple[int, int, int, int]


@dataclass
class Builder:
    """A model under construction: nodes, constants, and the feature maps made so far with their shapes."""

    rng: random.Random
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def constant(self, *shape: int, scale: float = 1.0, positive: bool = False) -> str:
        rng = np.random.default_rng(self.rng.randrange(1 << 30))
        name = f"c{len(self.constants)}"
        value = rng.standard_normal(shape) * scale
        self.constants[name] = (np.abs(value) + 0.5 if positive else value).astype(np.float32)
        return name

    def whole_numbers(self, *values: int) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(values, np.int64)
        return name

    def add(self, op_type: str, inputs: list[str], shape: Shape, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=f"{op_type}{len(self.nodes)}", **attributes))
        self.shapes[name] = shape
        return name

    def pick(self) -> str:
        """A feature map, more likely a late one."""
        names = list(self.shapes)
        return names[-1 - min(len(names) - 1, int(self.rng.expovariate(1.0)))]


def convolution(b: Builder) -> None:
    x, rng = b.pick(), b.rng
    n, c, h, w = b.shapes[x]
    groups = rng.choice([g for g in (1, 1, 2, 3, c) if c % g == 0])
    k = groups * rng.randint(1, 3)
    kernel, dilation, pads = _window(rng, (h, w))
    strides = [rng.randint(1, 3), rng.randint(1, 2)]
    inputs = [x, b.constant(k, c // groups, *kernel, scale=0.5)]
    if rng.random() < 0.6:
        inputs.append(b.constant(k))
    if rng.random() < 0.15 and dilation == [1, 1]:
        out = tuple(-(-s // t) for s, t in zip((h, w), strides, strict=True))
        form: dict[str, object] = {"auto_pad": rng.choice(["SAME_UPPER", "SAME_LOWER"])}
    else:
        out = _outputs((h, w), kernel, strides, dilation, pads)
        form = {"pads": pads}
    b.add("Conv", inputs, (n, k, *out), group=groups, strides=strides, dilations=dilation, **form)


def transposed(b: Builder) -> None:
    x, rng = b.pick(), b.rng
    n, c, h, w = b.shapes[x]
    if h * w > 60:
        return
    strides = [rng.randint(1, 2), rng.randint(1, 2)]
    kernel = [rng.randint(s, 3) for s in strides]
    pads = [rng.randint(0, kernel[0] - 1), rng.randint(0, kernel[1] - 1), 0, 0]
    k = rng.randint(1, 3)
    out = [(s - 1) * t + r - p for s, t, r, p in zip((h, w), strides, kernel, pads, strict=False)]
    weight = b.constant(c, k, *kernel, scale=0.5)
    b.add("ConvTranspose", [x, weight], (n, k, out[0], out[1]), strides=strides, pads=pads)


def pool(b: Builder) -> None:
    x, rng = b.pick(), b.rng
    n, c, h, w = b.shapes[x]
    kernel, _, pads = _window(rng, (h, w))
    pads = [min(p, kernel[i % 2] - 1) for i, p in enumerate(pads)]
    strides = [rng.randint(1, 2), rng.randint(1, 3)]
    out = _outputs((h, w), kernel, strides, [1, 1], pads)
    average = rng.random() < 0.5
    attributes = {"count_include_pad": rng.randint(0, 1)} if average else {}
    b.add(
        "AveragePool" if average else "MaxPool",
        [x],
        (n, c, *out),
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        **attributes,
    )


def activation(b: Builder) -> None:
    x = b.pick()
    shape = b.shapes[x]
    op_type = b.rng.choice(["Relu", "Sigmoid", "LeakyRelu", "HardSwish", "PRelu", "Clip", "SiLU"])
    if op_type == "SiLU":
        gate = b.add("Sigmoid", [x], shape)
        b.add("Mul", [x, gate], shape)
    elif op_type == "PRelu":
        b.add(op_type, [x, b.constant(shape[1], 1, 1)], shape)
    else:
        b.add(op_type, [x], shape)


def batch_normalization(b: Builder) -> None:
    x = b.pick()
    c = b.shapes[x][1]
    statistics = [b.constant(c), b.constant(c), b.constant(c), b.constant(c, positive=True)]
    b.add("BatchNormalization", [x, *statistics], b.shapes[x])


def binary(b: Builder) -> None:
    x = b.pick()
    shape = b.shapes[x]
    same = [name for name, other in b.shapes.items() if other == shape]
    scalars = [name for name, other in b.shapes.items() if other == (*shape[:2], 1, 1)]
    other = b.rng.choice([*same, *scalars, b.constant(shape[1], 1, 1)])
    b.add(b.rng.choice(["Add", "Mul", "Sub", "Max"]), [x, other], shape)


def concatenation(b: Builder) -> None:
    x = b.pick()
    axis = b.rng.choice([1, 1, 1, 2, 3, 0])
    rest = lambda shape: shape[:axis] + shape[axis + 1 :]  # noqa: E731
    fitting = [name for name, shape in b.shapes.items() if rest(shape) == rest(b.shapes[x])]
    chosen = [x, *b.rng.choices(fitting, k=b.rng.randint(1, 2))]
    total = sum(b.shapes[name][axis] for name in chosen)
    if total <= 24:
        shape = (*b.shapes[x][:axis], total, *b.shapes[x][axis + 1 :])
        b.add("Concat", chosen, shape, axis=axis)  # type: ignore[arg-type]


def part(b: Builder) -> None:
    """A slice of a feature map, sometimes with steps."""
    x = b.pick()
    axis = b.rng.randrange(1, 4)
    size = b.shapes[x][axis]
    start, step = b.rng.randrange(size), b.rng.randint(1, 2)
    count = len(range(start, size, step))
    shape = (*b.shapes[x][:axis], count, *b.shapes[x][axis + 1 :])
    slots = [b.whole_numbers(value) for value in (start, size, axis, step)]
    b.add("Slice", [x, *slots], shape)  # type: ignore[arg-type]


def movement(b: Builder) -> None:
    x = b.pick()
    n, c, h, w = b.shapes[x]
    kind = b.rng.randrange(4)
    if kind == 0 and h * w <= 60:
        b.add(
            "Resize",
            [x, "", "", b.whole_numbers(n, c, 2 * h, 2 * w)],
            (n, c, 2 * h, 2 * w),
            mode=b.rng.choice(["nearest", "linear"]),
        )
    elif kind == 1:
        b.add("Transpose", [x], (n, c, w, h), perm=[0, 1, 3, 2])
    elif kind == 2:
        b.add("Pad", [x, b.whole_numbers(0, 0, 1, 0, 0, 0, 0, 2)], (n, c, h + 1, w + 2))
    else:
        b.add("Reshape", [x, b.whole_numbers(n, c, 1, h * w)], (n, c, 1, h * w))


def statistics(b: Builder) -> None:
    x = b.pick()
    n, c, h, w = b.shapes[x]
    kind = b.rng.choice(["GlobalAveragePool", "Softmax", "InstanceNormalization", "LRN"])
    if kind.startswith("Global"):
        b.add(kind, [x], (n, c, 1, 1))
    elif kind == "Softmax":
        b.add(kind, [x], (n, c, h, w), axis=b.rng.choice([1, 3]))
    elif kind == "LRN":
        # With the default alpha of 1e-4 the result is nearly its input, and their difference nothing but rounding.
        b.add(kind, [x], (n, c, h, w), size=3, alpha=0.5)
    elif h * w > 1:
        b.add(kind, [x, b.constant(c), b.constant(c)], (n, c, h, w))


KINDS = {
    convolution: 8, pool: 2, activation: 3, batch_normalization: 2, binary: 4, concatenation: 3, part: 1, movement: 2,
    statistics: 2, transposed: 1,
}  # fmt: skip


def random_network(seed: int, *, nodes: int = 7) -> onnx.ModelProto:
    """A model with every result that nothing reads as an output; sometimes with a classifier at its end."""
    rng = random.Random(seed)
    b = Builder(rng)
    b.shapes["x"] = (rng.randint(1, 3), rng.randint(1, 8), rng.randint(3, 13), rng.randint(3, 13))
    given = {"x": b.shapes["x"]}
    while len(b.nodes) < nodes:
        rng.choices(list(KINDS), list(KINDS.values()))[0](b)
    x = b.pick()
    _, c, h, w = b.shapes[x]
    if rng.random() < 0.3 and c * h * w <= 600:
        b.nodes.append(helper.make_node("Flatten", [x], ["flat"], name="flat"))
        weight = b.constant(rng.randint(2, 9), c * h * w, scale=0.2)
        b.nodes.append(helper.make_node("Gemm", ["flat", weight], ["logits"], name="gemm", transB=1))
    read = {name for node in b.nodes for name in node.input}
    outputs = [name for node in b.nodes for name in node.output if name not in read]
    return model(b.nodes, given, outputs, b.constants)


def _window(rng: random.Random, size: tuple[int, int]) -> tuple[list[int], list[int], list[int]]:
    """Kernel, dilations and pads whose reach fits into the padded size."""
    kernel, dilations, pads = [], [], [0] * 4
    for axis, extent in enumerate(size):
        kernel.append(rng.randint(1, min(4, extent)))
        dilations.append(rng.randint(1, 2))
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        low, high = rng.randint(0, 2), rng.randint(0, 2)
        if reach > extent + low + high:
            dilations[axis], reach = 1, kernel[axis]
        pads[axis], pads[axis + 2] = min(low, reach - 1), min(high, reach - 1)
    return kernel, dilations, pads


def _outputs(
    size: tuple[int, int], kernel: list[int], strides: list[int], dilations: list[int], pads: list[int]
) -> tuple[int, int]:
    out = [(size[i] + pads[i] + pads[i + 2] - ((kernel[i] - 1) * dilations[i] + 1)) // strides[i] + 1 for i in range(2)]
    return out[0], out[1]
