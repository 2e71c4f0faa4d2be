"""Writing a model as Triton's model repository has it."""

import shutil
import tempfile
from pathlib import Path

from zoo.domain.config import CONFIG as MODEL_CONFIG
from zoo.domain.config import GRAPH
from zoo.domain.revision import derive_name
from zoo.errors import Conflict, Invalid
from zoo.operations.fetch import get_file, get_revision, read_config
from zoo.operations.opening import Zoo
from zoo.serving.triton import CONFIG, LABELS, read_ends, write_config, write_labels

VERSION = "1"


def write_triton(
    zoo: Zoo, model: str, folder: Path, *, name: str | None = None, max_batch: int = 32
) -> Path:
    """Write ``folder/NAME/{config.pbtxt, labels.txt, 1/model.onnx}``; give ``folder/NAME``.

    The folder may hold other models. It is written beside its place and then renamed: it is there
    whole or not at all.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        FileNotFound, NotRunnable: the revision has no graph that ONNX Runtime takes.
        Unsupported: Triton does not know what the graph reads or gives.
        Invalid: no folder can be called so.
        Conflict: the model's folder exists already.
    """
    revision = get_revision(zoo, model)
    _, graph = get_file(zoo, revision, GRAPH)
    called = name or derive_name(revision.model.replace("/", "-"), otherwise="model")
    if called != derive_name(called, otherwise=""):
        raise Invalid(
            f"No model of Triton can be called {called!r}.",
            hint="Give letters, digits, '.', '_' and '-': --name NAME",
        )
    goal = folder / called
    if goal.exists():
        raise Conflict(f"{goal} exists already.", hint="Name another one: --name NAME")
    has_config = revision.find_file(MODEL_CONFIG) is not None
    labels = read_config(zoo, revision).label_names if has_config else ()
    config = write_config(called, read_ends(graph), labels, max_batch=max_batch)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".zoo-triton-") as work:
        part = Path(work) / "part"
        (part / VERSION).mkdir(parents=True)
        shutil.copyfile(graph, part / VERSION / GRAPH)
        (part / CONFIG).write_text(config, encoding="utf-8")
        if labels:
            (part / LABELS).write_text(write_labels(labels), encoding="utf-8")
        part.rename(goal)
    return goal
