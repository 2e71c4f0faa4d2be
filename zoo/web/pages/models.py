"""/models/NAME: what a model is, holds and knows, a page for each question."""

from functools import lru_cache
from typing import Any

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from pydantic import Field

from zoo.domain.config import GRAPH, WEIGHTS
from zoo.domain.revision import Revision, split_address
from zoo.errors import FileNotFound, MalformedCheckpoint, NotRunnable
from zoo.operations import fetch, refs
from zoo.operations.card import Card, read_card, tell_preprocessing
from zoo.operations.layers import get_layers
from zoo.operations.lineage import get_family
from zoo.operations.opening import Zoo
from zoo.operations.refs import move_alias
from zoo.operations.statistics import count_downloads
from zoo.operations.surgery import DenseOptions, enqueue_dense
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_form, read_query
from zoo.web.pages.drawing import place_family
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.markdown import render_markdown
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.pages.training import draw_curves, read_training
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_models", __name__, url_prefix="/models")

NEAREST = 12  # ancestors, and children, in the tree of a page
PAGE = 50  # revisions
MOST_MOVES = 30
MOST_LABELS = 1000
MOST_CLASSES = 40  # of a confusion matrix
TABS = (
    ("", "Card"),
    ("/files", "Files"),
    ("/layers", "Layers"),
    ("/filters", "Filters"),
    ("/metrics", "Metrics"),
    ("/history", "History"),
)
DRIFT = ("/drift", "Drift")


class HistoryQuery(Shape):
    """Which page of the revisions."""

    before: str | None = Field(default=None, pattern="^[0-9a-f]{6,40}$")


class AliasForm(Shape):
    """Which alias points where."""

    alias: str = Field(min_length=1, max_length=128, pattern=WITHOUT_NUL)
    revision: str = Field(min_length=1, max_length=128, pattern=WITHOUT_NUL)
    expected: str | None = Field(default=None, pattern="^[0-9a-f]{40}$")  # where it points still


@bp.get("/<model:name>")
@needs(Need.READ)
def show_model(name: str) -> ResponseReturnValue:
    """Show a model: its card, what it was made of, and how it is used."""
    zoo = current_zoo()
    revision = _find_revision(zoo, name)
    if revision is None:
        return show("model_empty.html", name=name, ways=_ways(f"/v1/models/{name}", f"show {name}"))
    card = read_card(zoo, revision)
    family = get_family(zoo, revision, limit=NEAREST)
    labels, preprocessing = _read_config(zoo, revision)
    return show_tab(
        "model.html",
        "",
        name,
        revision,
        ways=_ways(_twin(name, revision), f"show {name}"),
        card=card,
        prose=_render(card, revision) if card else None,
        has_report=revision.find_file("report.html") is not None,
        labels=labels[:MOST_LABELS],
        label_count=len(labels),
        preprocessing=preprocessing,
        nodes=place_family(family, revision),
        has_more=family.has_more,
        downloads=count_downloads(zoo, [revision.model])[revision.model],
        is_private=fetch.get_model(zoo, revision.model).is_private,
    )


@bp.get("/<model:name>/files")
@needs(Need.READ)
def show_files(name: str) -> ResponseReturnValue:
    """Show the files of a revision with their digests, to be downloaded."""
    revision = fetch.get_revision(current_zoo(), name)
    ways = _ways(f"/v1/models/{revision.model}/revisions/{revision.id}", f"pull {name}")
    return show_tab("model_files.html", "/files", name, revision, ways=ways)


@bp.get("/<model:name>/layers")
@needs(Need.READ)
def show_layers(name: str) -> ResponseReturnValue:
    """Show what a network is made of, or why that is not known."""
    zoo = current_zoo()
    revision, inventory, reason = fetch.get_revision(zoo, name), None, None
    try:
        inventory = get_layers(zoo, name)[1]
    except (NotRunnable, FileNotFound, MalformedCheckpoint) as error:
        reason = error
    ways = _ways(f"/v1/models/{name}/layers", f"show {name} --layers")
    return show_tab(
        "model_layers.html",
        "/layers",
        name,
        revision,
        ways=ways,
        inventory=inventory,
        most=max((row.parameters for row in inventory.rows), default=1) if inventory else 1,
        reason=reason,
    )


@bp.get("/<model:name>/metrics")
@needs(Need.READ)
def show_metrics(name: str) -> ResponseReturnValue:
    """Show what was measured, with intervals."""
    zoo = current_zoo()
    revision = fetch.get_revision(zoo, name)
    training = read_training(zoo, revision)
    return show_tab(
        "model_metrics.html",
        "/metrics",
        name,
        revision,
        ways=_ways(_twin(name, revision), f"show {name}"),
        training=training,
        curves=draw_curves(training["outcome"]["curve"])
        if training and training.get("outcome")
        else None,
        most_classes=MOST_CLASSES,
    )


@bp.get("/<model:name>/history")
@needs(Need.READ)
def show_history(name: str) -> ResponseReturnValue:
    """Show the refs of a model, where they were, and its revisions."""
    zoo, query = current_zoo(), read_query(HistoryQuery)
    revision = fetch.get_revision(zoo, name)
    model = revision.model
    found = fetch.list_revisions(zoo, model, after=query.before or "", limit=PAGE + 1)
    moves = fetch.list_moves(zoo, model, limit=MOST_MOVES)
    return show_tab(
        "model_history.html",
        "/history",
        name,
        revision,
        ways=_ways(f"/v1/models/{model}/revisions", f"refs list {model}"),
        refs=refs.list_refs(zoo, model),
        moves=moves,
        # Where an alias was before its last move, the newest of which come first.
        before={move.ref: move.old for move in reversed(moves) if move.new},
        revisions=found[:PAGE],
        next=found[PAGE - 1].id if len(found) > PAGE else None,
    )


@bp.post("/<model:name>/alias")
@needs(Need.WRITE)
def post_alias(name: str) -> ResponseReturnValue:
    """Point an alias to a revision, as one that is served is rolled back, and show the refs."""
    form = read_form(AliasForm)
    move_alias(current_zoo(), name, form.alias, target=form.revision, expected=form.expected)
    return redirect(f"/models/{name}/history", SEE_OTHER)


@bp.post("/<model:name>/dense")
@needs(Need.WRITE)
def post_dense(name: str) -> ResponseReturnValue:
    """Ask for the same network for pictures of any size, and show the job."""
    return redirect(f"/jobs/{enqueue_dense(current_zoo(), name, DenseOptions()).id}", SEE_OTHER)


def show_tab(
    template: str,
    tab: str,
    name: str,
    revision: Revision,
    **values: Any,  # noqa: ANN401  # as many as a page has
) -> ResponseReturnValue:
    """Draw one of the pages of a model."""
    return show(
        template,
        name=name,
        revision=revision,
        told=revision.summary,
        tabs=(*TABS, DRIFT) if revision.parent or tab == DRIFT[0] else TABS,
        tab=tab,
        can_predict=revision.find_file(GRAPH) is not None,
        can_train=revision.find_file(WEIGHTS) is not None,
        **values,
    )


def _ways(twin: str, command: str) -> Ways:
    return Ways(twin=twin, command=command)


def _twin(name: str, revision: Revision) -> str:
    """Give the address of the same as JSON: of the model, or of the revision that was asked for."""
    if name == revision.model:
        return f"/v1/models/{name}"
    return f"/v1/models/{revision.model}/revisions/{revision.id}"


def _find_revision(zoo: Zoo, name: str) -> Revision | None:
    """Give the revision; None where a model has none under main, which only its name shows."""
    if split_address(name)[0] == name and fetch.get_model(zoo, name).head is None:
        return None
    return fetch.get_revision(zoo, name)


def _render(card: Card, revision: Revision) -> Markup:
    """Write a card as HTML, which its bytes and the revision's files decide."""
    paths = tuple(file.path for file in revision.files)
    return _render_kept(card.digest, card.prose, revision.model, revision.id, paths)


@lru_cache(maxsize=256)
def _render_kept(
    _digest: str, prose: str, model: str, revision: str, paths: tuple[str, ...]
) -> Markup:
    known = frozenset(paths)
    base = f"/v1/models/{model}/revisions/{revision}/files"
    return render_markdown(prose, lambda path: f"{base}/{path}" if path in known else None)


def _read_config(zoo: Zoo, revision: Revision) -> tuple[tuple[str, ...], str | None]:
    """Give the labels, and in words how pictures are prepared, as far as a revision tells."""
    try:
        config = fetch.read_config(zoo, revision)
    except (NotRunnable, MalformedCheckpoint):
        return (), None
    return config.label_names, tell_preprocessing(config.pictures) if config.pictures else None
