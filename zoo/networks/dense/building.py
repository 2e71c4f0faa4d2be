"""Networks that read pictures of any size: fully connected layers as convolutions."""

from torch.fx import GraphModule

from zoo.domain.geometry import Geometry
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.networks.classifier import with_probabilities
from zoo.networks.dense.checking import check_local, check_native, check_sizes, lay_output
from zoo.networks.dense.inside import add_border, keep_cells_inside
from zoo.networks.dense.maps import write_map
from zoo.networks.dense.rows import write_rows
from zoo.networks.dense.sheet import Rows, Sheet
from zoo.networks.graph import (
    copy_below,
    finish_network,
    get_input,
    get_output,
    layer_of,
    parts_of,
)
from zoo.networks.receptive.tracking import track
from zoo.networks.surgery import find_head


def convolutionalize(network: GraphModule, surgery: Convolutionalize) -> GraphModule:
    """Give the dense network; its output is N x K x h x w, probabilities of each cell.

    Fully connected layers become convolutions over views of the same numbers, their modules keep
    their names. What makes rows of maps is left out; poolings of a whole map, on the way to the
    classifier, become poolings of windows as large as the map is for pictures of
    ``surgery.shape``. At that size the dense network computes what the original does. Weights may
    be unset.

    Raises:
        BoundToOneSize: a layer is bound to one size of picture; it is named, with the reason.
        NoHead: the network ends in no classifier.
        Unsupported: it has several inputs or outputs; or padding is to be removed where cells
            depend on all of the picture.
    """
    get_input(network)
    find_head(network)
    check_native(network, surgery.shape)
    dense = with_probabilities(_write(network, surgery))
    found, sides = lay_output(dense, surgery.shape)
    if surgery.pads is Pads.REMOVE:
        check_local(dense, found)
        dense = keep_cells_inside(dense, sides, surgery.border_px)
        found, sides = lay_output(dense, surgery.shape)
    check_sizes(dense, found, surgery.shape, sides)
    return dense


def measure_geometry(network: GraphModule, surgery: Convolutionalize) -> Geometry:
    """Tell how the map of a dense network, made by this surgery, lies over pictures.

    Raises:
        BoundToOneSize: its output is no map of even windows.
        Unsupported: it has several inputs or outputs.
    """
    found, (height, width) = lay_output(network, surgery.shape)
    named = [layer_of(node) for node in network.graph.nodes if node in found.whole]
    return Geometry(
        height=height,
        width=width,
        native_px=(surgery.shape[1], surgery.shape[2]),
        whole_picture=tuple(dict.fromkeys(named)),
    )


def _write(network: GraphModule, surgery: Convolutionalize) -> GraphModule:
    """Write the network down with maps where it has rows, and without what is not needed then."""
    sheet = Sheet(network, track(network, surgery.shape))
    for node in network.graph.nodes:
        if node.op == "placeholder":
            picture = sheet.copy(node)
            sheet.values[node] = add_border(sheet.graph, picture, sheet.parts, surgery.border_px)
        elif node.op != "output":
            reads = [sheet.values[read] for read in node.all_input_nodes]
            has_rows = any(isinstance(read, Rows) for read in reads)
            sheet.values[node] = write_rows(sheet, node) if has_rows else write_map(sheet, node)
    sheet.check_calls()
    whole = finish_network(sheet.graph, sheet.map_of(get_output(network)), sheet.parts)
    graph, end = copy_below(whole, get_output(whole))
    return finish_network(graph, end, parts_of(whole, graph))
