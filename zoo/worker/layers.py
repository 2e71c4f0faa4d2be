"""What a network's layers are: for the revision it is published in, and for those who ask."""

from typing import Any

from torch.fx import GraphModule

from zoo.domain.config import WEIGHTS
from zoo.domain.layers import Inventory
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.revision import Revision
from zoo.errors import Unsupported
from zoo.formats.safetensors import read_safetensors
from zoo.networks.build import build_network, load_weights
from zoo.networks.inventory import take_inventory
from zoo.operations import fetch
from zoo.operations.opening import Zoo
from zoo.worker.network import shapes_of_inputs


def describe_layers(network: GraphModule, pictures: Preprocessing | None) -> dict[str, Any] | None:
    """Give the content of layers.json for a network with weights; None where it cannot be told.

    That is where nothing tells what the network reads, or where it cannot read one picture alone.
    """
    try:
        return _take(network, pictures).as_json()
    except Unsupported:
        return None


def list_built_layers(zoo: Zoo, revision: Revision) -> Inventory:
    """List the layers of a revision by building its network.

    Raises:
        NotRunnable: the revision has no network that could be built.
        Unsupported: nothing tells what its network reads, or it cannot read one picture alone.
    """
    config = fetch.read_config(zoo, revision)
    fetch.get_file(zoo, revision, WEIGHTS)
    paths = fetch.verified_files(zoo, revision)
    network = build_network(config.recipe, paths)
    load_weights(network, read_safetensors(paths[WEIGHTS]))
    return _take(network, config.pictures)


def _take(network: GraphModule, pictures: Preprocessing | None) -> Inventory:
    shapes = shapes_of_inputs(network, pictures)
    count = len(network.graph.find_nodes(op="placeholder"))
    if len(shapes) < count:
        raise Unsupported(
            f"Of the network's {count} inputs, {count - len(shapes)} have no shape that is known.",
            hint="Shapes of layers depend on it: give the pictures' size when importing.",
        )
    return take_inventory(network, *(shape[1:] for shape in shapes.values()))
