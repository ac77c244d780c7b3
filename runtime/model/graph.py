"""The walk through a model file's graph, before OpenCV sees a byte of it.

OpenCV's importer trusts what it reads: version 5.0 opens any file that a tensor names as its external data,
4.6 and 5.0 read past the end of a tensor that is shorter than its dimensions say, and a stride of 0 stops the
process. So a model file is refused, with one sentence, unless all of this holds:

1. It is one protobuf message of at most 2 GiB and MAX_FIELDS fields. No field is there twice that may be
   there once, and none has another wire type than its own.
2. It has one graph, with at most MAX_NODES nodes and MAX_TENSORS tensors, no graph within a node, no sparse
   tensors, no training, and no function but `yolov5_dnn.Swish`, which is x·sigmoid(x).
3. Every tensor lies in the file itself, none in another one. It is of one of the types that
   `tensors` lists, and its payload is exactly as long as its dimensions and its type say.
4. All its numbers are finite: weights, constants and attributes.
5. Every name has at most MAX_NAME bytes and is written once, before it is read; the outputs are written.
   There is one input, float32, (N, C, H, W).
6. Every operator is an ONNX operator that `shape_inference` knows, or Swish; its node has no field HIDDEN.
   Kernels, strides, dilations and groups are at least 1, pads at least 0, all at most MAX_SIDE; weights,
   biases and axes fit the values they meet, and so do the values of one Concat or Add.
7. For the input size that the file states, and for any other it is asked to run at, the values alive at one
   time have at most MAX_ALIVE numbers (4 GiB), and a forward pass at most MAX_WORK multiplications.
8. There are at most MAX_METADATA texts of metadata, each of at most MAX_TEXT bytes under a key of its own.

Whoever loads such a file still runs a program of a stranger's making within OpenCV; see SECURITY.md.
Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..escape import escape
from .protobuf import MAX_NAME, Fields, Kind, Reader, Span
from .tensors import MAX_VALUES, GraphError, Tensor, read_tensor, show, stated_value

MAX_NODES = 10_000  # the largest YOLOv5 has about 900
MAX_TENSORS = 10_000
MAX_ALIKE = 100  # bytes of an attribute that is remembered
DOMAIN = b"yolov5_dnn"  # of Swish
HIDDEN = 15  # a field number that no node of ONNX has: `read_model` puts that domain under it

_GRAPH = Fields(
    {
        1: Kind("node", "span", many=True),
        2: Kind("name", "name"),
        5: Kind("initializer", "span", many=True),
        11: Kind("input", "span", many=True),
        12: Kind("output", "span", many=True),
        15: Kind("sparse_initializer", "span", many=True),
    }
)
_NODE = Fields(
    {
        1: Kind("input", "name", many=True),
        2: Kind("output", "name", many=True),
        3: Kind("name", "name"),
        4: Kind("op_type", "name"),
        5: Kind("attribute", "span", many=True),
        7: Kind("domain", "span"),
        HIDDEN: Kind("hidden", "span", many=True),
    }
)
_ATTRIBUTE = Fields(
    {
        1: Kind("name", "name"),
        2: Kind("f", "float"),
        3: Kind("i", "int"),
        4: Kind("s", "name"),
        5: Kind("t", "span"),
        6: Kind("g", "span"),
        7: Kind("floats", "float", many=True),
        8: Kind("ints", "int", many=True),
        9: Kind("strings", "name", many=True),
        10: Kind("tensors", "span", many=True),
        11: Kind("graphs", "span", many=True),
        14: Kind("tp", "span"),
        15: Kind("type_protos", "span", many=True),
        20: Kind("type", "int"),
        21: Kind("ref_attr_name", "name"),
        22: Kind("sparse_tensor", "span"),
        23: Kind("sparse_tensors", "span", many=True),
    }
)
_ATTRIBUTE_TYPES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
_FUNCTION = Fields(
    {
        1: Kind("name", "name"),
        4: Kind("input", "name", many=True),
        5: Kind("output", "name", many=True),
        7: Kind("node", "span", many=True),
        10: Kind("domain", "name"),
    }
)


@dataclass(frozen=True, eq=False)
class Node:
    """One operator; inputs may be b"", which stands for "left out"."""

    name: bytes
    op_type: str
    inputs: list[bytes]
    outputs: list[bytes]
    attributes: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Which one it is, in messages."""
        return f"the node {show(self.name)} ({escape(self.op_type, 40)})"


class Attribute(NamedTuple):
    """What was read of a node's attribute, and how many fields it took."""

    name: str
    value: Any
    fields: int


@dataclass(eq=False)
class Graph:
    """What was read.

    input: name of the network's input; input_dims: its shape, None where the file leaves a side free.
    tensors: the initializers by name. domains: where the domains of Swish nodes stand in the bytes.
    attributes: those that were read, by their bytes; most nodes have the same ones.
    """

    input: bytes = b""
    input_dims: tuple[int | None, ...] = ()
    outputs: list[bytes] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[bytes, Tensor] = field(default_factory=dict)
    domains: list[Span] = field(default_factory=list)
    attributes: dict[bytes, Attribute] = field(default_factory=dict)


def read_graph(reader: Reader, span: Span) -> Graph:
    """Read the GraphProto that lies there and check all that holds for any input size (1 to 6 above).

    Raises GraphError or WireError.
    """
    parts = reader.message(span, _GRAPH)
    if parts["sparse_initializer"]:
        raise GraphError("it has sparse tensors")
    for label, most in (
        ("node", MAX_NODES),
        ("initializer", MAX_TENSORS),
        ("input", MAX_TENSORS),
        ("output", 100),
    ):
        if len(parts[label]) > most:
            raise GraphError(f"it has more than {most} {label}s")
    graph = Graph()
    for place in parts["initializer"]:
        name, tensor = read_tensor(reader, place)
        if not name or name in graph.tensors:
            raise GraphError(f"it has two tensors called {show(name)}" if name else "a tensor has no name")
        graph.tensors[name] = tensor
    inputs = [stated_value(reader, place) for place in parts["input"]]
    free = {name: dims for name, dims in inputs if name not in graph.tensors}
    if len(free) != 1 or len(next(iter(free.values()))) != 4:
        raise GraphError("it does not have exactly one input of the shape (N, C, H, W)")
    ((graph.input, graph.input_dims),) = free.items()
    written = {*graph.tensors, graph.input}
    for place in parts["node"]:
        node = _node(reader, place, graph)
        for name in node.inputs:
            if name and name not in written:
                raise GraphError(
                    f"{node.title} reads {show(name)}, which nothing before it writes; conversions to "
                    "float16 leave such files: take the float32 one that it was made of"
                )
        for name in filter(None, node.outputs):
            if name in written:
                raise GraphError(f"{node.title} writes {show(name)}, which is there already")
            written.add(name)
        graph.nodes.append(node)
    graph.outputs = [stated_value(reader, place)[0] for place in parts["output"]]
    for name in graph.outputs:
        if name not in written:
            raise GraphError(f"its output {show(name)} is written by nothing")
    if not graph.outputs:
        raise GraphError("it has no outputs")
    return graph


def check_function(reader: Reader, span: Span) -> None:
    """Check that a FunctionProto is `yolov5_dnn.Swish`. Raises GraphError or WireError."""
    parts = reader.message(span, _FUNCTION)
    nodes = [reader.message(place, _NODE) for place in parts["node"][:3]]
    gate, product = ([*nodes, None, None])[:2] if len(nodes) == 2 else (None, None)
    if not (
        parts["name"] == b"Swish"
        and parts["domain"] == DOMAIN
        and len(parts["input"]) == len(parts["output"]) == 1
        and gate is not None
        and product is not None
        and (gate["op_type"], gate["input"]) == (b"Sigmoid", parts["input"])
        and (product["op_type"], product["output"]) == (b"Mul", parts["output"])
        and sorted(product["input"]) == sorted(parts["input"] + gate["output"])
        and not gate["attribute"] + product["attribute"]
    ):
        raise GraphError(
            f"it defines a function {show(parts['name'] or b'')}, and Swish is the only one known"
        )


def hidden_domains(reader: Reader, span: Span) -> list[Span]:
    """Find the domains of Swish nodes in a GraphProto in which they were hidden."""
    nodes = reader.message(span, _GRAPH)["node"]
    return [place for node in nodes for place in reader.message(node, _NODE)["hidden"]]


def _node(reader: Reader, span: Span, graph: Graph) -> Node:
    parts = reader.message(span, _NODE)
    operator, place = parts["op_type"] or b"", parts["domain"]
    attributes: dict[str, Any] = {}
    node = Node(
        parts["name"] or b"", operator.decode("utf-8", "replace"), parts["input"], parts["output"], attributes
    )
    domain = bytes(reader.buffer[place.start : place.end][:MAX_NAME]) if place else b""
    if domain == DOMAIN and operator == b"Swish":
        if place.start - place.tag != 2:  # its number or its length would not fit into the byte it needs
            raise GraphError(f"{node.title} writes the field of its domain longer than it is")
        graph.domains.append(place)
    elif domain not in (b"", b"ai.onnx"):
        raise GraphError(f"{node.title} is an operator of the unknown domain {show(domain)}")
    if parts["hidden"]:
        raise GraphError(f"{node.title} has a field {HIDDEN}, which ONNX does not know")
    if not any(node.outputs) or len(node.inputs) > MAX_VALUES or len(node.outputs) > MAX_VALUES:
        raise GraphError(f"{node.title} has {len(node.inputs)} inputs and {len(node.outputs)} outputs")
    for attribute in parts["attribute"]:
        name, value = _attribute(reader, attribute, node, graph)
        if name in attributes:
            raise GraphError(f"{node.title} has the attribute {name} twice")
        attributes[name] = value
    return node


def _attribute(reader: Reader, span: Span, node: Node, graph: Graph) -> tuple[str, Any]:
    """Read an attribute, or remember it from another node: 300 of yolov5n's are some 15 different ones."""
    _, start, end = span
    if end - start > MAX_ALIKE:
        return _new_attribute(reader, span, node)
    written = bytes(reader.buffer[start:end])
    known = graph.attributes.get(written)
    if known is not None:
        reader.spend(known.fields)
        return known.name, known.value
    left = reader.left
    name, value = _new_attribute(reader, span, node)
    graph.attributes[written] = Attribute(name, value, left - reader.left)
    return name, value


def _new_attribute(reader: Reader, span: Span, node: Node) -> tuple[str, Any]:
    parts = reader.message(span, _ATTRIBUTE)
    name = escape((parts["name"] or b"").decode("utf-8", "replace"), 80)
    label = _ATTRIBUTE_TYPES.get(parts["type"] or 0)
    set_ones = [
        key for key, value in parts.items() if value not in (None, []) and key not in ("name", "type")
    ]
    if label is None or set_ones not in ([label], []) or (not set_ones and label in ("s", "t")):
        raise GraphError(f"the attribute {name} of {node.title} is of a kind that no network needs")
    value = parts[label]
    if label == "t":
        return name, read_tensor(reader, value)[1]
    if label in ("i", "f"):
        value = value or (0 if label == "i" else 0.0)
    if (label == "f" and not math.isfinite(value)) or (
        label == "floats" and not all(map(math.isfinite, value))
    ):
        raise GraphError(f"the attribute {name} of {node.title} is not finite")
    if label in ("ints", "floats", "strings") and len(value) > MAX_VALUES:
        raise GraphError(f"the attribute {name} of {node.title} has more than {MAX_VALUES} values")
    return name, value
