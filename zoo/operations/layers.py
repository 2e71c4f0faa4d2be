"""What the layers of a revision are, as it says itself; names that it has not are refused."""

import json
from collections.abc import Iterable, Mapping

from zoo.domain.config import LAYERS, ModelConfig
from zoo.domain.layers import Inventory, unknown_layer
from zoo.domain.plan import ALL, BEST, CODES
from zoo.domain.revision import Revision
from zoo.domain.surgery import Convolutionalize
from zoo.errors import FileNotFound, Invalid, MalformedCheckpoint, NotRunnable
from zoo.operations.draft import SERVED_AS_IT_IS, STORED
from zoo.operations.fetch import get_file, get_revision, read_config, select_source_files
from zoo.operations.opening import Zoo

BETWEEN = {"Dropout", "Flatten", "Identity"}  # kinds that say nothing of where a body ends


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


def check_layers(zoo: Zoo, revision: Revision, config: ModelConfig, names: Iterable[str]) -> None:
    """Refuse names that stand for no layer of a revision's network, where that is known.

    The network itself, which a job builds, has the last word: a name may stand for several values,
    and revisions older than layers.json do not tell.

    Raises:
        LayerNotFound: there is no such layer; near names are told.
        NotRunnable: it has no network, or one that is not taken apart.
        MalformedCheckpoint: what it says of its layers cannot be understood.
    """
    wanted = list(dict.fromkeys(names))
    found = _find_own(zoo, revision, config) if wanted else None
    if found is None:
        return
    known = {*found.layers, *(row.name for row in found.rows)}
    missing = [name for name in wanted if name not in known]
    if not missing:
        return
    written = _list_written(zoo, revision, config)
    for name in missing:
        if name not in written:
            others = [*(row.name for row in found.rows), *sorted(written)]
            raise unknown_layer(name, found.layers, others)


def check_freeze(
    zoo: Zoo, revision: Revision, config: ModelConfig, freeze: str, *, layer: str = CODES
) -> None:
    """Refuse to freeze up to what a fine-tune does not keep, where that is known.

    That is the classifier and all after it, and what comes after the layer that codes are taken at.
    Values come in the order in which they are computed, so what a layer depends on comes before it.

    Raises:
        Invalid: the layer is of that kind; what could be frozen is told.
        MalformedCheckpoint: what the revision says of its layers cannot be understood.
    """
    found = _find_own(zoo, revision, config)
    place = None if found is None else _find_place(zoo, revision, config, found, freeze)
    if found is None or place is None:
        return
    head = found.last_weighted
    # Of other networks the last layer with weights is no classifier.
    if config.label_names and head is not None and place >= head:
        kept = [row.name for row in found.rows[:head] if row.kind not in BETWEEN]
        called = found.rows[head].name
        raise Invalid(
            f"Layers up to {freeze!r} cannot be frozen: "
            + ("it is" if place == head else f"it comes after {called!r},")
            + f" the classifier of {revision.address}, which a fine-tune replaces.",
            hint=f"Freeze up to {kept[-1]!r} or a layer before it: zoo show {revision.model}"
            " --layers"
            if kept
            else "The network has no layer below it: fit a probe, --strategy probe",
            option="freeze",
            layer=freeze,
        )
    if layer in {CODES, BEST, ALL}:
        return
    tap = _find_place(zoo, revision, config, found, layer)
    if tap is not None and place > tap:
        raise Invalid(
            f"Layers up to {freeze!r} cannot be frozen: codes are taken at {layer!r}, so the new"
            " network ends there.",
            hint=f"Freeze up to {layer!r} or a layer before it, or take codes further up: --layer",
            option="freeze",
            layer=freeze,
        )


def _find_own(zoo: Zoo, revision: Revision, config: ModelConfig) -> Inventory | None:
    """Read what a revision says of the layers that a fine-tune finds; None where it does not.

    A job undoes what made a network dense, and the classifier has layers that the dense one lacks.
    """
    is_dense = any(isinstance(one, Convolutionalize) for one in config.recipe.surgeries[-1:])
    return None if is_dense else find_layers(zoo, revision)


def _find_place(
    zoo: Zoo, revision: Revision, config: ModelConfig, found: Inventory, name: str
) -> int | None:
    """Give the place of the value of a name, which may be what a layer writes."""
    place = found.find_place(name)
    if place is not None:
        return place
    writer = _list_written(zoo, revision, config).get(name)
    return None if writer is None else found.find_place(writer)


def _list_written(zoo: Zoo, revision: Revision, config: ModelConfig) -> Mapping[str, str]:
    """Give what layers write, by the names that the source has for it, and the last writer of each.

    These are blobs, or values of a graph.
    """
    # They bring NumPy, which queueing does without where names are right.
    source = config.recipe.source
    files = {
        file.path: zoo.blobs.local_path(file.digest)
        for file in select_source_files(revision, config)
    }
    if source.kind == "caffe":
        from zoo.formats.caffe.reading import read_net, read_text  # noqa: PLC0415

        net = read_net(read_text(files[source.path]), name=source.path)
        return {top: layer.name for layer in net.layers for top in layer.tops}
    if source.kind == "onnx":
        from zoo.formats.onnx.external import beside  # noqa: PLC0415
        from zoo.formats.onnx.reading import read_onnx  # noqa: PLC0415

        path = source.path
        model = read_onnx(files[path], name=path, external=beside(files, path))
        return {output: node.name for node in model.nodes for output in node.outputs}
    return {}


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
