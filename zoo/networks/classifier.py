"""A network as a classifier: pictures in, one row of probabilities per picture out."""

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.networks.graph import (
    append_layer,
    copy_below,
    find_module,
    finish_network,
    get_input,
    get_output,
    modules_of,
)
from zoo.networks.layers import Scale
from zoo.networks.preprocess import Preprocess
from zoo.networks.surgery import PROBABILITIES

# Each number after these depends on numbers at the same place of the map alone.
POINTWISE = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Dropout,
    nn.LeakyReLU,
    nn.LocalResponseNorm,
    nn.ReLU,
    nn.Softmax,
    Scale,
)
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
    while isinstance(find_module(network, node), nn.Dropout | nn.Flatten):
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
    modules = modules_of(network, graph)
    scores = append_layer(graph, scores, modules, PROBABILITIES, nn.Softmax(dim=1))
    return finish_network(graph, scores, modules)


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

    They do where each flatten, and the end, comes after a pooling over the whole map.
    """
    flattened = [
        node.all_input_nodes[0]
        for node in network.graph.find_nodes(op="call_module")
        if isinstance(find_module(network, node), nn.Flatten)
    ]
    return all(_is_point(network, node) for node in (*flattened, get_output(network)))


def _is_point(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's map is 1 x 1, or gone, whatever the picture's size."""
    module = find_module(network, node)
    if isinstance(module, POINTS):
        return module.output_size in (1, (1, 1))
    if isinstance(module, nn.Linear | nn.Flatten):
        return True
    if isinstance(module, POINTWISE) or _is_point_convolution(module) or node.target is torch.cat:
        return all(_is_point(network, read) for read in node.all_input_nodes)
    return False


def _is_point_convolution(module: nn.Module | None) -> bool:
    return (
        isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.padding == (0, 0)
    )
