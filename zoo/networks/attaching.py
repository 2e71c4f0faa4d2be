"""A classifier on the averages of some layers, where the old one reads but the last."""

import torch
from torch import nn
from torch.fx import GraphModule

from zoo.domain.surgery import AttachHead
from zoo.networks.graph import append_layer, finish_network
from zoo.networks.heads import zero_head
from zoo.networks.surgery import HEAD, PROBABILITIES
from zoo.networks.taps import build_taps

JOINED = "codes_joined"


def attach_head(network: GraphModule, surgery: AttachHead) -> GraphModule:
    """Put a classifier, ``head`` and ``probabilities``, on the codes at some taps side by side.

    What no tap depends on is dropped. The new weights are 0. The classifier reads what
    ``zoo.networks.taps.tap_network`` gives, in the order of the taps, as one row of numbers.

    Raises:
        LayerNotFound, NoHead, Unsupported: a tap gives no codes.
    """
    graph, codes, widths, parts = build_taps(network, surgery.taps, surgery.shape)
    if len(codes) > 1:
        joined = graph.call_function(torch.cat, (codes,), {"dim": 1})
        joined.meta["layer"] = joined.name = JOINED
    else:
        (joined,) = codes
    head = zero_head(sum(widths), surgery.classes)
    scores = append_layer(graph, joined, parts, HEAD, head)
    end = append_layer(graph, scores, parts, PROBABILITIES, nn.Softmax(dim=1))
    return finish_network(graph, end, parts)
