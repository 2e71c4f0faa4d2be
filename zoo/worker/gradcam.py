"""What spoke for the wrong class: Grad-CAM of a revision's network over pictures of a dataset."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.images.heat import lay_over
from zoo.networks.preprocess import Preprocess, find_mean_image
from zoo.operations.opening import Zoo
from zoo.training.gradcam import explain
from zoo.worker.network import choose_device
from zoo.worker.parent import open_parent
from zoo.worker.undone import undo_dense

OPACITY = 0.5

Pixels = NDArray[np.uint8]


def explain_pictures(
    zoo: Zoo, model: str, pictures: Sequence[Pixels], labels: Sequence[str]
) -> list[Pixels]:
    """Lay over each picture, prepared for the model, what speaks for the label given with it.

    Raises:
        NoHead, Unsupported: the network has no classifier, or no map below it.
        NotRunnable: the revision's network cannot be built.
    """
    parent = undo_dense(open_parent(zoo, model))
    config = parent.config
    mean = find_mean_image(config.preprocessing, parent.weights)
    prepared = Preprocess(config.preprocessing, mean)
    device = choose_device(zoo.settings.device)
    network, prepared = parent.network.to(device), prepared.to(device)
    found = []
    for pixels, label in zip(pictures, labels, strict=True):
        inputs = prepared(torch.from_numpy(pixels[np.newaxis]).to(device))
        index = torch.tensor([config.label_names.index(label)], device=device)
        heat = explain(network, inputs, index)
        grown = torch.nn.functional.interpolate(
            heat[:, None], size=pixels.shape[:2], mode="bilinear", align_corners=False
        )
        cells = grown[0, 0].cpu().numpy().astype(np.float32)
        found.append(lay_over(pixels, cells, opacity=OPACITY, shown=(0.0, 1.0)))
    return found
