"""A network as a classifier: pictures in, one row of probabilities per picture out."""

from operator import add, getitem, mul, sub

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.networks.graph import (
    append_layer,
    copy_below,
    find_module,
    find_tensor,
    finish_network,
    get_input,
    get_output,
    parts_of,
)
from zoo.networks.layers import Scale
from zoo.networks.preprocess import Preprocess
from zoo.networks.surgery import PROBABILITIES, is_any

# Each number after these depends on numbers at the same place of the map alone.
POINTWISE = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Dropout,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Identity,
    nn.LayerNorm,
    nn.LeakyReLU,
    nn.LocalResponseNorm,
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softmax,
    Scale,
    add,
    mul,
    sub,
    torch.cat,
    torch.permute,
)
# Functions that compute the same whatever the size of the maps they are given.
OF_ANY_SIZE = (add, getitem, mul, sub, torch.cat, torch.chunk, torch.permute, torch.split)
POINTS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class Classifier(nn.Module):
    """A network with its preprocessing: uint8 RGB N x H x W x 3 in, probabilities N x K out."""

    def __init__(
        self, network: GraphModule, preprocessing: Preprocessing, mean_image: Array | None = None
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(preprocessing, mean_image)
        self.network = with_probabilities(network)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Classify a batch."""
        probabilities: Tensor = self.network(self.preprocess(images))
        return probabilities.flatten(1)

    @torch.inference_mode()
    def probabilities(self, images: Array) -> Array:
        """Classify a batch of arrays on the device the network is on."""
        device = self.preprocess.scale.device
        found: Array = self(torch.tensor(images, device=device)).cpu().numpy()
        return found


def ends_in_softmax(network: GraphModule) -> bool:
    """Tell whether what the network returns are probabilities already.

    Raises:
        Unsupported: it has several outputs.
    """
    node = get_output(network)
    while isinstance(find_module(network, node), nn.Dropout | nn.Flatten | nn.Identity):
        node = node.all_input_nodes[0]
    return isinstance(find_module(network, node), nn.Softmax)


def with_probabilities(network: GraphModule) -> GraphModule:
    """Give the network itself if it ends in a softmax, else one with a softmax at its end.

    Raises:
        Unsupported: it has several inputs or outputs.
    """
    get_input(network)
    if ends_in_softmax(network):
        return network
    graph, scores = copy_below(network, get_output(network))
    parts = parts_of(network, graph)
    scores = append_layer(graph, scores, parts, PROBABILITIES, nn.Softmax(dim=1))
    return finish_network(graph, scores, parts)


def output_shape(network: GraphModule, *shape: int) -> tuple[int, ...]:
    """Tell the shape of what the network returns for an input of this shape, by trying.

    Raises:
        Unsupported: it has several outputs.
    """
    get_output(network)
    device = next((tensor.device for tensor in network.parameters()), None)
    with torch.inference_mode():
        found: Tensor = network(torch.zeros(shape, device=device))
    return tuple(found.shape)


def takes_any_size(network: GraphModule) -> bool:
    """Tell whether pictures of any size give one row of scores.

    They do where each flatten, and the end, comes after a pooling to a settled size, and where no
    function or tensor is bound to the size of a map. A network that reshapes its maps is taken for
    one that cannot, even where it could.
    """
    if not all(_is_of_any_size(network, node) for node in network.graph.nodes):
        return False
    flattened = [
        node.all_input_nodes[0]
        for node in network.graph.find_nodes(op="call_module")
        if isinstance(find_module(network, node), nn.Flatten)
    ]
    return all(_is_point(network, node) for node in (*flattened, get_output(network)))


def _is_of_any_size(network: GraphModule, node: Node) -> bool:
    """Tell whether a node is not bound to one size of picture by itself."""
    if node.op == "call_function":
        return node.target in OF_ANY_SIZE
    tensor = find_tensor(network, node)  # numbers a channel are fine, positions in a map are not
    return tensor is None or sum(side > 1 for side in tensor.shape) <= 1


def _is_point(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's map is of a settled size, or gone, whatever the picture's size."""
    module = find_module(network, node)
    if isinstance(module, POINTS):
        return _is_settled(module.output_size)
    if isinstance(module, nn.Linear | nn.Flatten):
        return True
    if _is_point_convolution(module) or is_any(network, node, POINTWISE):
        reads = [read for read in node.all_input_nodes if read.op != "get_attr"]
        return all(_is_point(network, read) for read in reads)
    return False


def _is_settled(size: object) -> bool:
    """Tell whether an adaptive pooling states both sides of what it gives."""
    return all(side is not None for side in size) if isinstance(size, tuple) else size is not None


def _is_point_convolution(module: nn.Module | None) -> bool:
    return (
        isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.padding == (0, 0)
    )
