"""What the library of an architecture tells where files do not: preprocessing, labels, sizes."""

from dataclasses import replace

from zoo.domain.recipe import Recipe
from zoo.domain.weights import Weights
from zoo.formats.statement import as_given
from zoo.networks.vision import describe_architecture, fit_arguments
from zoo.operations.draft import Draft

NAMED = {"torchvision", "timm"}  # sources that a library describes by the architecture's name


def as_described(draft: Draft, recipe: Recipe, weights: Weights) -> tuple[Draft, Recipe]:
    """Ask the library what the files did not tell of its architecture.

    Raises:
        Unsupported: the library is not installed, or knows no such architecture.
    """
    source = fit_arguments(recipe.source, weights)
    described = describe_architecture(
        source.kind,
        source.architecture,
        file=next(iter(draft.originals), ""),
        arguments=source.arguments,
    )
    pictures = draft.pictures or described.preprocessing
    if draft.given:
        given = as_given(draft.given, channels=pictures.channel_count)
        pictures = replace(pictures, **given)
    classes = source.arguments.get("num_classes", described.classes)
    is_theirs = described.labels is not None and len(described.labels) == classes
    labels = draft.labels or (described.labels if is_theirs else None)
    return replace(draft, pictures=pictures, labels=labels), replace(recipe, source=source)
