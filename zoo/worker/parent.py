"""The revision that another is made of: its network with weights, checked and built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch.fx import GraphModule

from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.revision import Revision
from zoo.domain.weights import Weights
from zoo.formats.safetensors import read_safetensors
from zoo.networks.build import PREPROCESSING, build_network, load_weights
from zoo.operations import fetch
from zoo.operations.opening import Zoo


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A revision whose network was built."""

    revision: Revision
    config: ModelConfig
    paths: Mapping[str, Path]
    weights: Weights
    network: GraphModule

    @property
    def beside(self) -> Weights:
        """Give what lies beside the weights, such as a mean image."""
        return {name: self.weights[name] for name in self.weights if name.startswith(PREPROCESSING)}


def open_parent(zoo: Zoo, address: str) -> Parent:
    """Build the network of a revision, its bytes checked.

    Raises:
        DigestMismatch, BlobNotFound: bytes are not those that were published.
        WeightsMismatch: the weights are not those of the recipe.
    """
    revision = fetch.get_revision(zoo, address)
    config = fetch.read_config(zoo, revision)
    paths = fetch.verified_files(zoo, revision)
    weights = read_safetensors(paths[WEIGHTS])
    network = build_network(config.recipe, paths)
    load_weights(network, weights)
    return Parent(revision=revision, config=config, paths=paths, weights=weights, network=network)
