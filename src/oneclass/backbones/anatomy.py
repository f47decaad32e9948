"""What a network is made of: each layer's shape and cost, and Table 2's shorthand."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from oneclass.backbones.onnx_file import (
    ATTRIBUTE_NAME,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    LENGTH_DELIMITED,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OP,
    NODE_OUTPUT,
    TENSOR_DIMS,
    TENSOR_NAME,
    fields,
    graph_of,
    texts,
    varint,
)
from oneclass.backbones.session import Backbone

CONVOLUTIONS, PRODUCTS, POOLS = ("Conv",), ("Gemm", "MatMul"), ("MaxPool", "AveragePool")
SAME_SHAPE = ("Cast", "Identity")
ATTRIBUTE_INT, ATTRIBUTE_INTS = 3, 8
NUMBERED = re.compile(r"(C|P|FC)([0-9]+)")


@dataclass(frozen=True)
class Node:
    """One node of the graph: what it does, what it reads and gives, and its whole numbers."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class LayerFacts:
    """A named layer.

    Attributes:
        name: as `--layer` takes it.
        shape: for one image of the network's own size.
        parameters: numbers that it reads and no named layer before it; a mean image is among them.
        multiply_adds: for one image, behind the named layers before it.
        shorthand: as in the paper's Table 2; empty for a layer that is not named as there.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    shorthand: str


def take_apart(backbone: Backbone) -> list[LayerFacts]:
    """The facts of every named layer, in the graph's order.

    Raises:
        ModelFileError: the network does not run.
    """
    nodes, constants = read_graph(backbone.model)
    heavy = [n.outputs[0] for n in nodes if n.op in (*CONVOLUTIONS, *PRODUCTS)]
    shapes = backbone.shapes([*dict.fromkeys((*backbone.layers, *heavy))])
    makers = {name: i for i, node in enumerate(nodes) for name in node.outputs}
    seen: set[int] = set()
    counted: set[str] = set()
    facts = []
    for layer in backbone.layers:
        own = sorted(_needed(layer, nodes, makers) - seen)
        seen |= set(own)
        read = {name for i in own for name in nodes[i].inputs if name in constants} - counted
        counted |= read
        facts.append(
            LayerFacts(
                layer,
                shapes[layer],
                sum(math.prod(constants[name]) for name in read if len(constants[name]) > 0),
                sum(_multiply_adds(nodes[i], nodes, makers, constants, shapes) for i in own),
                _shorthand(layer, [nodes[i] for i in own], shapes[layer]),
            )
        )
    return facts


def shorthand(backbone: Backbone, facts: Iterable[LayerFacts]) -> str:
    """The network in the words of Table 2; empty where no layer is named as there."""
    parts = [fact.shorthand for fact in facts if fact.shorthand]
    height, width = backbone.spec.preprocessing.size
    start = f"I({height}, {width}, {len(backbone.spec.preprocessing.mean)})"
    return "-".join([start, *parts]) if parts else ""


def read_graph(model: bytes) -> tuple[list[Node], dict[str, tuple[int, ...]]]:
    """The nodes of a graph, in the file's order, and the shapes of its stored numbers by name."""
    nodes, constants = [], {}
    for number, payload, _ in fields(graph_of(model)):
        if number == GRAPH_NODE:
            nodes.append(_node(payload))
        elif number == GRAPH_INITIALIZER:
            constants[texts(payload, TENSOR_NAME)[0]] = _numbers(payload, TENSOR_DIMS)
    return nodes, constants


def _node(message: memoryview) -> Node:
    numbers = {}
    for field, attribute, _ in fields(message):
        if field == NODE_ATTRIBUTE:
            found = _numbers(attribute, ATTRIBUTE_INTS) or _numbers(attribute, ATTRIBUTE_INT)
            numbers["".join(texts(attribute, ATTRIBUTE_NAME))] = found
    op = "".join(texts(message, NODE_OP))
    inputs, outputs = texts(message, NODE_INPUT), texts(message, NODE_OUTPUT)
    return Node(op, tuple(inputs), tuple(outputs), numbers)


def _numbers(message: memoryview, wanted: int) -> tuple[int, ...]:
    """The whole numbers in a field, packed or one by one."""
    found: list[int] = []
    for number, payload, field in fields(message):
        if number != wanted:
            continue
        at, packed = 0, field[0] & 7 == LENGTH_DELIMITED
        while at < len(payload):
            value, at = varint(payload, at)
            found.append(value)
            if not packed:
                break
    return tuple(found)


def _needed(layer: str, nodes: list[Node], makers: Mapping[str, int]) -> set[int]:
    """The nodes that a tensor is computed by."""
    needed: set[int] = set()
    ahead = [layer]
    while ahead:
        index = makers.get(ahead.pop())
        if index is not None and index not in needed:
            needed.add(index)
            ahead += nodes[index].inputs
    return needed


def _multiply_adds(
    node: Node,
    nodes: list[Node],
    makers: Mapping[str, int],
    constants: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
) -> int:
    if node.op not in (*CONVOLUTIONS, *PRODUCTS):
        return 0
    weights = node.inputs[1]
    while weights in makers and nodes[makers[weights]].op in SAME_SHAPE:
        weights = nodes[makers[weights]].inputs[0]
    dims = constants.get(weights)
    if dims is None:
        return 0
    if node.op in CONVOLUTIONS:
        each = math.prod(dims[1:])
    else:
        each = dims[1] if node.numbers.get("transB") == (1,) else dims[0]
    return each * math.prod(shapes[node.outputs[0]])


def _shorthand(layer: str, nodes: list[Node], shape: tuple[int, ...]) -> str:
    match = NUMBERED.fullmatch(layer)
    known = [n for n in nodes if n.op in (*CONVOLUTIONS, *PRODUCTS, *POOLS)]
    if not match or not known:
        return ""
    kind, number = match.groups()
    if kind == "FC":
        return f"FC_{number}({shape[0]})"
    numbers = known[-1].numbers
    kernel = _one_or_all(numbers.get("kernel_shape", ()))
    stride = _one_or_all(numbers.get("strides", (1,)))
    padding = _one_or_all(numbers.get("pads", (0,)))
    filters = f"{shape[0]}, " if kind == "C" else ""
    return f"{kind}_{number}({filters}{kernel}, {stride}, {padding})"


def _one_or_all(numbers: tuple[int, ...]) -> str:
    """One number where all are equal; paddings are top, left, bottom, right."""
    equal = all(a == b for a, b in pairwise(numbers))
    return " ".join(map(str, numbers[:1] if equal else numbers))
