"""Whether a graph can be run from its first node to its last."""

from zoo.formats.onnx.model import OnnxModel
from zoo.formats.wire import Message


def check_order(model: OnnxModel, graph: Message) -> None:
    """Check that every node reads what is there before it, and that nothing is written twice.

    Raises:
        MalformedCheckpoint: it does not, as in a circle; names the node.
    """
    known = {one.name for one in model.inputs} | model.initializers.keys()
    for node in model.nodes:
        for name in node.inputs:
            if name and name not in known:
                raise graph.refuse(
                    node.offset,
                    f"node {node.title} reads {name!r}, which nothing before it gives"
                    f"{_where(model, name)}",
                )
        written = [name for name in node.outputs if name]
        for name in written:
            if name in known:
                raise graph.refuse(
                    node.offset, f"node {node.title} writes {name!r}, which is there already"
                )
            known.add(name)
    for output in model.outputs:
        if output.name not in known:
            raise graph.refuse(graph.end, f"no node gives the output {output.name!r}")


def _where(model: OnnxModel, name: str) -> str:
    """Say whether a later node writes it: then nodes stand in a circle, or out of order."""
    later = next((node for node in model.nodes if name in node.outputs), None)
    return f" ({later.title} does, after it)" if later else ""
