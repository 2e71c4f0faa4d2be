"""Measured facts in, a plan out. Pure functions.

Only what is known before anything is computed is weighed here: how many pictures there are and how
they are spread over the classes.
"""

from collections import Counter

from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import ALL, BEST, Classifier, Plan, Strategy
from zoo.errors import ClassesDiffer, OneClass, TooFewPictures

# Inverse regularisation strengths of logistic regression on standardised codes, a decade apart.
C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
SVM_GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # likewise, of a linear SVM
FOLDS = 5
IMBALANCE = 3  # largest class / smallest class above which classes are weighed


def check_dataset(dataset: Dataset) -> None:
    """Check that a classifier can be fitted on a dataset and measured on it.

    Raises:
        OneClass: it has a single class.
        TooFewPictures: a class has no picture to learn from, or none to be measured on.
        ClassesDiffer: a class is missing from a split that was given.
    """
    if len(dataset.classes) == 1:
        raise OneClass(
            f"Dataset {dataset.name!r} has only the class {dataset.classes[0]!r}; "
            "a classifier needs at least two.",
            dataset=dataset.name,
            classes=list(dataset.classes),
        )
    # Copies of one picture cannot be divided: what is measured must not have been learned.
    different = Counter(label for label, _ in {(p.label, p.digest) for p in dataset.pictures})
    for label in dataset.classes:
        total = different[label]
        if total < 2:  # noqa: PLR2004  # one to learn from, one to be measured on
            raise TooFewPictures(
                f"Class {label!r} of dataset {dataset.name!r} has {total} readable picture(s), "
                "copies not counted; at least two are needed, one to learn from and one to be "
                "measured on.",
                dataset=dataset.name,
                label=label,
                pictures=total,
            )
    counts = dataset.counts()
    for split in (Split.TRAIN, Split.VAL):
        missing = [label for label in dataset.classes if not counts.get(split, {}).get(label)]
        if missing:
            raise ClassesDiffer(
                f"The {split.value} pictures of dataset {dataset.name!r} lack the "
                f"class(es) {', '.join(map(repr, missing))}.",
                dataset=dataset.name,
                split=split.value,
                missing=missing,
            )


def plan_finetune(
    dataset: Dataset,
    *,
    seed: int,
    layer: str = "codes",
    classifier: Classifier = Classifier.LOGISTIC,
) -> Plan:
    """Decide how a network is fitted to a dataset.

    Raises:
        OneClass, TooFewPictures, ClassesDiffer: nothing can be fitted to it.
    """
    check_dataset(dataset)
    train = dataset.counts()[Split.TRAIN]
    smallest, largest = min(train.values()), max(train.values())
    folds = min(FOLDS, smallest) if smallest >= 2 else 0  # noqa: PLR2004  # a fold needs two sides
    is_imbalanced = largest > IMBALANCE * smallest
    grid = SVM_GRID if classifier is Classifier.SVM else C_GRID
    return Plan(
        strategy=Strategy.PROBE,
        layer=layer,
        classifier=classifier,
        c_grid=grid if folds else (grid[3],),
        folds=folds,
        balanced=is_imbalanced,
        seed=seed,
        because=(
            f"{sum(train.values())} training pictures: a linear classifier on the unchanged body",
            _why_folds(folds, grid[3]),
            *_why_layer(layer, folds),
            _why_weights(largest, smallest, is_imbalanced=is_imbalanced),
        ),
    )


def _why_folds(folds: int, otherwise: float) -> str:
    if folds:
        return f"C chosen by {folds}-fold cross-validation on the training pictures alone"
    return f"a class has one training picture, so nothing can be held out: C = {otherwise}"


def _why_layer(layer: str, folds: int) -> list[str]:
    """Say where codes are taken, if that is not where the classifier reads."""
    if layer == BEST and not folds:
        return ["a class has one training picture, so no layer can be chosen: the last one"]
    told = {
        "codes": [],
        BEST: ["codes of the layer that cross-validation finds better than the last, or the last"],
        ALL: ["codes of layers along the whole depth, side by side"],
    }
    return told.get(layer, [f"codes of the layer {layer!r}, as asked for"])


def _why_weights(largest: int, smallest: int, *, is_imbalanced: bool) -> str:
    answer = "classes are weighed by 1 / their share" if is_imbalanced else "no class weights"
    return f"the largest class has {largest} training pictures, the smallest {smallest}: {answer}"
