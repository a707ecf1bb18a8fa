"""Canonical networks written by hand, one operator per call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.workload.evaluate import apply

from tilewright.workload.network import Network, Operator, Parameter, Tensor, Value


class Builder:
    """Appends operators; output shapes come from evaluating them on zeros."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.operators: list[Operator] = []
        self.tensors: dict[str, Tensor] = {}
        self.inputs: list[str] = []
        self.constants: dict[str, np.ndarray] = {}

    def input(self, *shape: int) -> str:
        name = f"in{len(self.inputs)}"
        self.inputs.append(name)
        self.tensors[name] = Tensor(name, shape)
        return name

    def constant(self, value: np.ndarray | Sequence[int], positive: bool = False) -> str:
        """A constant with these values, or with random ones of this shape."""
        name = f"c{len(self.constants)}"
        if not isinstance(value, np.ndarray):
            value = self.rng.normal(size=tuple(value))
            value = np.abs(value) + 0.5 if positive else value
        self.constants[name] = np.asarray(value, dtype=np.float32)
        self.tensors[name] = Tensor(name, self.constants[name].shape, constant=True)
        return name

    def op(
        self,
        kind: str,
        *inputs: str,
        shape: Sequence[int] | None = None,
        parameters: Sequence[Parameter] = (),
        **attributes: Value,
    ) -> str:
        """Append an operator; returns its output ``t<number>``. Only those that need it are told their shape."""
        number = len(self.operators)
        name = f"t{number}"
        operator = Operator(f"{kind.lower()}{number}", kind, inputs, name, tuple(attributes.items()), tuple(parameters))
        self.tensors[name] = Tensor(name, tuple(shape if shape is not None else self.shape_of(operator)))
        self.operators.append(operator)
        return name

    def shape_of(self, operator: Operator) -> tuple[int, ...]:
        zeros = {name: np.zeros(self.tensors[name].shape) for name in operator.reads}
        with np.errstate(all="ignore"):
            return apply(operator, zeros, Network("", (), (Tensor(operator.output, ()),), (), ())).shape

    def elementwise(self, function: str, *operands: str | float, arguments: tuple[float, ...] = ()) -> str:
        tensors = [operand for operand in operands if isinstance(operand, str)]
        constants = tuple(None if isinstance(operand, str) else float(operand) for operand in operands)
        return self.op("Elementwise", *tensors, function=function, constants=constants, arguments=arguments)

    def conv(self, x: str, filters: int, kernel: int = 1, bias: bool = True, groups: int = 1, pad: int = 0) -> str:
        batch, channels, height, width = self.tensors[x].shape
        w = self.constant((filters, channels // groups, kernel, kernel))
        parameters = (Parameter("bias", self.constant((filters,)), (1,)),) if bias else ()
        size = 2 * pad - kernel + 1
        return self.op(
            "Conv",
            x,
            w,
            shape=(batch, filters, height + size, width + size),
            parameters=parameters,
            strides=(1, 1),
            dilations=(1, 1),
            pads=(pad,) * 4,
            groups=groups,
        )

    def matmul(self, a: str, columns: int, bias: bool = True, trans_b: bool = False) -> str:
        rows = self.tensors[a].shape[-1]
        b = self.constant((columns, rows) if trans_b else (rows, columns))
        shape = (*self.tensors[a].shape[:-1], columns)
        parameters = (Parameter("bias", self.constant((columns,)), (len(shape) - 1,)),) if bias else ()
        return self.op("MatMul", a, b, shape=shape, parameters=parameters, trans_a=False, trans_b=trans_b)

    def batch_norm(self, x: str) -> str:
        channels = self.tensors[x].shape[1]
        parameters = [
            Parameter(role, self.constant((channels,), positive=role == "variance"), (1,))
            for role in ("scale", "bias", "mean", "variance")
        ]
        return self.op("BatchNormalization", x, shape=self.tensors[x].shape, parameters=parameters, epsilon=1e-3)

    def instance_norm(self, x: str, epsilon: float = 1e-5) -> str:
        channels = self.tensors[x].shape[1]
        parameters = [Parameter(role, self.constant((channels,)), (1,)) for role in ("scale", "bias")]
        return self.op("InstanceNormalization", x, shape=self.tensors[x].shape, parameters=parameters, epsilon=epsilon)

    def network(self, *outputs: str) -> Network:
        return Network(
            "test",
            tuple(self.operators),
            tuple(self.tensors.values()),
            tuple(self.inputs),
            outputs or (self.operators[-1].output,),
        )

    def feed(self) -> dict[str, np.ndarray]:
        """Random values for the inputs."""
        return {name: self.rng.normal(size=self.tensors[name].shape) for name in self.inputs}
