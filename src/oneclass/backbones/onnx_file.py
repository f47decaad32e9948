"""Read what an ONNX file says of itself, and cut it at some layers.

A session should compute nothing behind the wanted layers, but ONNX Runtime computes every node of a
graph, asked for or not (measured: a session with one output in the middle of the graph takes as
long as the whole network). So cutting means dropping the nodes and weights that no wanted layer
needs; what stays is copied bit for bit. That is a splice in the file's protobuf framing, and takes
neither the `onnx` package (36 MB) nor a schema.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ONNX_START = b"\x08"
"""Field 1, the version, which is written first: no picture, table or model of ours begins so."""
MODEL_GRAPH, MODEL_METADATA = 7, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_OUTPUT = 1, 5, 12
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 1, 6, 11
TENSOR_DIMS, TENSOR_NAME, TENSOR_ELSEWHERE, VALUE_NAME = 1, 8, 13, 1
LENGTH_DELIMITED = 2


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("the message is cut short")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("not a protobuf message: a number runs over 64 bits")


def fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """The fields of one message: (field number, payload, the whole field with its framing)."""
    at = 0
    while at < len(data):
        start = at
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        body = at
        if wire == 0:
            _, at = varint(data, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == LENGTH_DELIMITED:
            length, body = varint(data, at)
            at = body + length
        else:
            raise ValueError(f"not a protobuf message: wire type {wire}")
        if at > len(data):
            raise ValueError("the message is cut short")
        yield number, data[body:at], data[start:at]


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _delimited(number: int, payload: bytes) -> bytes:
    return _number(number << 3 | LENGTH_DELIMITED) + _number(len(payload)) + payload


def graph_of(model: bytes) -> memoryview:
    """The message of the model's graph."""
    for number, payload, _ in fields(memoryview(model)):
        if number == MODEL_GRAPH:
            return payload
    raise ValueError("it holds no graph")


def texts(message: memoryview, field: int) -> list[str]:
    """The texts in a field of a message."""
    return [str(value, "utf-8") for number, value, _ in fields(message) if number == field]


def _names(model: bytes, part: int, field: int) -> tuple[str, ...]:
    parts = (payload for number, payload, _ in fields(graph_of(model)) if number == part)
    return tuple(name for payload in parts for name in texts(payload, field))


def _reads(node: memoryview) -> Iterator[str]:
    """The tensors that a node reads, those read inside its subgraphs (If, Loop, Scan) included."""
    yield from texts(node, NODE_INPUT)
    for number, attribute, _ in fields(node):
        if number == NODE_ATTRIBUTE:
            for field, subgraph, _ in fields(attribute):
                if field in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                    for inner, child, _ in fields(subgraph):
                        if inner == GRAPH_NODE:
                            yield from _reads(child)


def metadata(model: bytes, key: str) -> str | None:
    """The text that the model's metadata holds under `key`, if any.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    for number, entry, _ in fields(memoryview(model)):
        if number == MODEL_METADATA and key in texts(entry, ENTRY_KEY):
            return "".join(texts(entry, ENTRY_VALUE))
    return None


def with_metadata(model: bytes, key: str, text: str) -> bytes:
    """The same ONNX model with `text` under `key` in its metadata, in place of what was there.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    graph_of(model)
    entry = _delimited(ENTRY_KEY, key.encode()) + _delimited(ENTRY_VALUE, text.encode())
    kept = [
        bytes(field)
        for number, payload, field in fields(memoryview(model))
        if number != MODEL_METADATA or key not in texts(payload, ENTRY_KEY)
    ]
    return b"".join([*kept, _delimited(MODEL_METADATA, entry)])


ELSEWHERE = (
    "its weights are in another file beside it. Make one file of both: onnx.save(onnx.load(...), "
    "...) in Python"
)
"""What is wrong, and what to do, where `weights_elsewhere`."""


def weights_elsewhere(model: bytes) -> bool:
    """Whether some weights are in another file beside the model.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    return any(
        number == GRAPH_INITIALIZER
        and any(inner == TENSOR_ELSEWHERE for inner, _, _ in fields(payload))
        for number, payload, _ in fields(graph_of(model))
    )


def output_names(model: bytes) -> tuple[str, ...]:
    """The declared outputs of the graph, in the file's order.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    return _names(model, GRAPH_OUTPUT, VALUE_NAME)


def tensor_names(model: bytes) -> tuple[str, ...]:
    """Every tensor that the graph computes, in the file's order.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    return _names(model, GRAPH_NODE, NODE_OUTPUT)


def cut(model: bytes, layers: Sequence[str]) -> bytes:
    """The same ONNX model with `layers` as its only outputs and nothing that they do not need.

    The declared shape of an output is kept where the graph has it; for an inner tensor only the
    name is written and ONNX Runtime infers the rest.

    Args:
        model: the bytes of an ONNX file.
        layers: names of tensors that the graph computes (see `tensor_names`), each once.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    graph = list(fields(graph_of(model)))
    needed = set(layers)
    keep = [True] * len(graph)
    for index in range(len(graph) - 1, -1, -1):  # ONNX lists nodes after those that they read
        number, node, _ = graph[index]
        if number == GRAPH_NODE:
            keep[index] = not needed.isdisjoint(texts(node, NODE_OUTPUT))
            if keep[index]:
                needed.update(_reads(node))
    declared = {n: _delimited(GRAPH_OUTPUT, _delimited(VALUE_NAME, n.encode())) for n in layers}
    for index, (number, payload, field) in enumerate(graph):
        if number == GRAPH_INITIALIZER:
            keep[index] = not needed.isdisjoint(texts(payload, TENSOR_NAME))
        elif number == GRAPH_OUTPUT:
            keep[index] = False
            declared |= {n: bytes(field) for n in texts(payload, VALUE_NAME) if n in declared}
    kept = [field for (_, _, field), wanted in zip(graph, keep, strict=True) if wanted]
    spliced = b"".join([*kept, *declared.values()])
    return b"".join(
        _delimited(MODEL_GRAPH, spliced) if number == MODEL_GRAPH else bytes(field)
        for number, _, field in fields(memoryview(model))
    )
