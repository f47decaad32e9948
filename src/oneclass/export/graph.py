"""Write an ONNX graph as one writes numpy: a function for each operation.

Only operations of the standard set, and only forms of them that are the same in every opset from
17 to 22: so a network of any of these can be joined with what is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import MissingDependencyError
from oneclass.system.host.machine import pip_install

OPSET, NEWEST_OPSET = 17, 22
IR_VERSION = 8
PREFIX = "oneclass/"
"""Of our names in a graph, so that they never meet a network's own."""

Value = str | NDArray[Any] | np.generic
"""The name of a tensor in the graph, or numbers that become a constant of it."""
Branch = Callable[[], str]


def require_onnx() -> Any:
    """The package onnx.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"exporting needs the package onnx, which cannot be imported ({error}): "
            f"{pip_install('export')}"
        ) from error
    return onnx


class Graph:
    """Nodes and constants, in the order in which they are computed.

    Attributes:
        nodes: as onnx writes them.
        constants: as onnx writes them.
    """

    def __init__(self) -> None:
        self._onnx = require_onnx()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._made = 0
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._tensors: dict[bytes, str] = {}

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """The name of some numbers; the same numbers are kept once."""
        array = np.asarray(values, order="C")
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self._name("constant")
            self.constants.append(self._onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def shared(self, tensor: Any) -> str:
        """The name of the first tensor of a network that held the same numbers as this one."""
        anonymous = type(tensor)()
        anonymous.CopyFrom(tensor)
        anonymous.ClearField("name")
        content = sha256(anonymous.SerializeToString(deterministic=True)).digest()
        return self._tensors.setdefault(content, str(tensor.name))

    def op(self, kind: str, *inputs: Value, name: str | None = None, **attributes: Any) -> str:
        """Compute one operation; returns the name of its only output.

        Args:
            kind: an operation of the standard set.
            inputs: its inputs; "" leaves one out.
            name: of the output; None for a new one.
            attributes: of the operation.
        """
        return self.ops(kind, *inputs, names=[name or self._name(kind)], **attributes)[0]

    def ops(
        self, kind: str, *inputs: Value, names: Sequence[str] = (), outputs: int = 1, **more: Any
    ) -> list[str]:
        """Like `op`, for an operation with several outputs."""
        made = list(names) or [self._name(kind) for _ in range(outputs)]
        words = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(self._onnx.helper.make_node(kind, words, made, **more))
        return made

    def choose(self, condition: str, yes: Branch, no: Branch) -> str:
        """The result of one of two branches, of which the other is not computed.

        Args:
            condition: a tensor of one bool.
            yes, no: add the nodes of a branch and return the name of its result.
        """
        branches = {"then_branch": self._branch(yes), "else_branch": self._branch(no)}
        return self.op("If", condition, **branches)

    def cast(self, value: Value, dtype: type[np.generic], name: str | None = None) -> str:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", value, name=name, to=kind)

    def sum(self, value: Value, *axes: int, keep: bool = False) -> str:
        return self.op("ReduceSum", value, np.array(axes, np.int64), keepdims=int(keep))

    def reshape(self, value: Value, *shape: int | str) -> str:
        """Another shape; -1 and 0 as in ONNX, and names of tensors (1,) for what is not known."""
        if all(isinstance(side, int) for side in shape):
            return self.op("Reshape", value, np.array(shape, np.int64))
        sides = [side if isinstance(side, str) else np.array([side], np.int64) for side in shape]
        return self.op("Reshape", value, self.op("Concat", *sides, axis=0))

    def side(self, value: str, axis: int) -> str:
        """(1,) int64: the length of one axis."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def _branch(self, write: Branch) -> Any:
        outside, self.nodes = self.nodes, []
        helper = self._onnx.helper
        try:
            result = helper.make_tensor_value_info(write(), self._onnx.TensorProto.FLOAT, None)
            return helper.make_graph(self.nodes, self._name("branch"), [], [result])
        finally:
            self.nodes = outside

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{PREFIX}{kind}_{self._made}"
