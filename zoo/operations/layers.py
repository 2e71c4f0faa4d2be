"""What the layers of a revision are, as it says itself."""

import json

from zoo.domain.config import LAYERS
from zoo.domain.layers import Inventory
from zoo.domain.revision import Revision
from zoo.errors import FileNotFound, MalformedCheckpoint, NotRunnable
from zoo.operations.draft import SERVED_AS_IT_IS, STORED
from zoo.operations.fetch import get_file, get_revision, read_config
from zoo.operations.opening import Zoo


def get_layers(zoo: Zoo, address: str) -> tuple[Revision, Inventory]:
    """Give what the revision at an address says of its layers.

    Raises:
        ModelNotFound, RevisionNotFound: there is none.
        NotRunnable: it has no network, or one that is not taken apart.
        FileNotFound: it is older than layers.json.
        MalformedCheckpoint: what it says cannot be understood.
    """
    revision = get_revision(zoo, address)
    found = find_layers(zoo, revision)
    if found is None:
        raise FileNotFound(
            f"{revision.address} has no {LAYERS}: it is older than this file, or is no network of"
            " inputs that are known.",
            hint=f"Let the command build the network and tell: zoo show {address} --layers",
            path=LAYERS,
        )
    return revision, found


def find_layers(zoo: Zoo, revision: Revision) -> Inventory | None:
    """Read what a revision says of its layers; None where only its network could tell.

    Raises:
        NotRunnable: it has no network, or one that is not taken apart.
        MalformedCheckpoint: what it says cannot be understood.
    """
    if revision.find_file(LAYERS) is None:
        _refuse_closed(zoo, revision)
        return None
    _, path = get_file(zoo, revision, LAYERS)
    try:
        return Inventory.from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{LAYERS} of {revision.address} cannot be understood: {error!r}",
            hint="Import the original package again.",
        ) from error


def _refuse_closed(zoo: Zoo, revision: Revision) -> None:
    if revision.summary.get("runs") == STORED:
        reason = revision.summary.get("reason", "")
        raise NotRunnable(
            f"{revision.address} is stored only, so no layers of it are known. {reason}".strip(),
            hint="Import it again and say what it is: zoo import PATH --arch LIBRARY:NAME",
            revision=revision.address,
        )
    if read_config(zoo, revision).recipe.source.kind in SERVED_AS_IT_IS:
        raise NotRunnable(
            f"{revision.address} is an ONNX graph that is served as it came, not taken apart into"
            " layers.",
            hint="Its card names the operations that are in the way: zoo show MODEL --card",
            revision=revision.address,
        )
