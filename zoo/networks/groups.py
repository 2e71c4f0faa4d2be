"""The parameters of a network by the stage they belong to, for rates that differ by depth."""

from operator import attrgetter

from torch import nn
from torch.fx import GraphModule

from zoo.networks.graph import find_module
from zoo.networks.names import get_layer
from zoo.networks.stages import list_stages


def group_parameters(network: GraphModule) -> list[tuple[int, list[nn.Parameter]]]:
    """Give the parameters that need gradients, with the stages that lie above theirs.

    0 is the uppermost stage of ``zoo.networks.stages``. A parameter that several layers share
    belongs to the lowest of them. What no stage ends after belongs to the uppermost.
    """
    nodes = list(network.graph.nodes)
    ends = [nodes.index(get_layer(network, stage.end)) for stage in list_stages(network)]
    found: dict[int, list[nn.Parameter]] = {}
    seen: set[int] = set()
    for place, node in enumerate(nodes):
        module = find_module(network, node)
        tensors = list(module.parameters()) if module is not None else []
        if node.op == "get_attr":
            tensor = attrgetter(str(node.target))(network)
            tensors = [tensor] if isinstance(tensor, nn.Parameter) else []
        fresh = [each for each in tensors if each.requires_grad and id(each) not in seen]
        seen.update(map(id, fresh))
        stage = sum(end < place for end in ends)
        if fresh:
            found.setdefault(max(len(ends) - 1 - stage, 0), []).extend(fresh)
    return sorted(found.items(), key=lambda item: item[0])
