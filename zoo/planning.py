"""Measured facts in, a plan out. Pure functions.

``plan_finetune`` weighs what is known before anything is computed: how many pictures there are and
how they are spread over the classes. ``plan_training`` adds what was measured on the codes.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from zoo.domain.dataset import Dataset, Split, find_renamed, tell_renamed
from zoo.domain.plan import ALL, BEST, Classifier, Plan, Strategy
from zoo.domain.training import Beginning, Overrides, Training
from zoo.errors import ClassesDiffer, Invalid, OneClass, TooFewPictures

# Inverse regularisation strengths of logistic regression on standardised codes, a decade apart.
C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
SVM_GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # likewise, of a linear SVM
FOLDS = 5
LEAST_FOLDS = 3  # for which rare classes are left out: two say nothing of how far they may be off
SMALL, LARGE = 1000, 20_000  # training pictures, as VTAB-1k and BiT draw the lines
IMBALANCE = 3  # largest class / smallest class above which classes are weighed
NAMED = 5  # classes that a reason names at most
WHY_NOT_HELD_OUT = (
    "a class has one training picture and too few others have enough, so nothing can be held out"
)


WHAT = {
    Strategy.AUTO: "the strategy follows from their number",
    Strategy.ZERO_SHOT: "none is learned from; classes that the network knows stand for the new",
    Strategy.PROBE: "a linear classifier on the unchanged body",
    Strategy.PARTIAL: "a linear classifier, then the upper layers are trained",
    Strategy.LP_FT: "a linear classifier, then all layers are trained",
    Strategy.FULL: "all layers are trained with a new head",
    Strategy.SCRATCH: "a new network is trained",
}


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
        own = counts.get(split, {})
        other = counts.get(Split.VAL if split is Split.TRAIN else Split.TRAIN, {})
        missing = [label for label in dataset.classes if not own.get(label)]
        if missing:
            alone = [label for label, count in own.items() if count and not other.get(label)]
            renamed = find_renamed(missing, alone)
            told, hint = tell_renamed(renamed)
            raise ClassesDiffer(
                f"The {split.value} pictures of dataset {dataset.name!r} lack the "
                f"class(es) {', '.join(map(repr, missing))}.{told}",
                hint=hint,
                dataset=dataset.name,
                split=split.value,
                missing=missing,
                **({"renamed": renamed} if renamed else {}),
            )


def plan_finetune(
    dataset: Dataset,
    *,
    seed: int,
    layer: str = "codes",
    classifier: Classifier = Classifier.LOGISTIC,
    strategy: Strategy = Strategy.PROBE,
) -> Plan:
    """Decide how a network is fitted to a dataset.

    Raises:
        OneClass, TooFewPictures, ClassesDiffer: nothing can be fitted to it.
    """
    check_dataset(dataset)
    train = dataset.counts()[Split.TRAIN]
    because = [f"{sum(train.values())} training pictures: {WHAT[strategy]}"]
    if strategy is Strategy.AUTO:
        strategy, reason = choose_strategy(sum(train.values()))
        because = [reason]
        layer = BEST if layer == "codes" else layer
    smallest, largest = min(train.values()), max(train.values())
    folds = choose_folds(train.values())
    is_imbalanced = is_unequal(train.values())
    grid = SVM_GRID if classifier is Classifier.SVM else C_GRID
    return Plan(
        strategy=strategy,
        layer=layer,
        classifier=classifier,
        c_grid=grid if folds else (grid[3],),
        folds=folds,
        balanced=is_imbalanced,
        seed=seed,
        because=(
            *because,
            *(() if strategy is Strategy.ZERO_SHOT else _why_chosen(train, folds, grid[3])),
            *_why_layer(layer, folds),
            _why_weights(
                largest,
                smallest,
                is_imbalanced=is_imbalanced,
                is_chosen=bool(folds) and strategy is not Strategy.ZERO_SHOT,
            ),
        ),
    )


def is_unequal(counts: Collection[int]) -> bool:
    """Tell whether classes with so many pictures are too unequal for each picture to count alike.

    The largest then has over three times as many as the smallest.
    """
    return max(counts) > IMBALANCE * min(counts)


def choose_folds(counts: Collection[int]) -> int:
    """Choose the folds of a cross-validation on classes with so many pictures; 0 for none.

    Five, or as many as the smallest class has pictures, so that each fold has some of every class.
    A few rare classes beside others that are large enough do not decide: there are as many folds as
    half of the classes have pictures, two classes at least, if those are three and more. Classes
    with fewer are fitted on in every fold and held out in none.
    """
    least = min(counts)
    if is_unequal(counts) and max(counts) >= FOLDS:
        in_order = sorted(counts, reverse=True)
        most_have = in_order[max(2, (len(in_order) + 1) // 2) - 1]
        least = most_have if most_have >= LEAST_FOLDS else least
    return min(FOLDS, least) if least >= 2 else 0  # noqa: PLR2004  # a fold needs two sides


def choose_strategy(pictures: int) -> tuple[Strategy, str]:
    """Choose a strategy by the number of training pictures, and say why."""
    if pictures < SMALL:
        reason = f"below {SMALL}: small, so {WHAT[Strategy.PROBE]}"
        return Strategy.PROBE, f"{pictures} training pictures, {reason}"
    if pictures < LARGE:
        reason = f"{SMALL} to {LARGE}: medium, so {WHAT[Strategy.PARTIAL]}"
        return Strategy.PARTIAL, f"{pictures} training pictures, {reason}"
    reason = f"{LARGE} and more: large, so {WHAT[Strategy.LP_FT]}"
    return Strategy.LP_FT, f"{pictures} training pictures, {reason}"


def check_overrides(
    strategy: Strategy,
    overrides: Overrides,
    layer: str,
    classifier: Classifier = Classifier.LOGISTIC,
) -> None:
    """Check that what a user decided has a meaning for a strategy.

    Raises:
        Invalid: it has none; the option is named.
    """
    _check_trained(strategy, overrides)
    if strategy is Strategy.ZERO_SHOT:
        _check_zero_shot(layer, classifier)
    if overrides.init is not None and strategy is not Strategy.SCRATCH:
        raise Invalid(
            f"'init' has no meaning for the strategy {strategy.value}: weights are the model's.",
            hint="Begin anew: --strategy scratch",
            option="init",
        )
    if strategy is Strategy.SCRATCH and overrides.freeze is not None:
        raise Invalid(
            "'freeze' has no meaning for the strategy scratch: random layers would stay random.",
            hint="Freeze layers of the model's own weights: --strategy partial",
            option="freeze",
        )


def _check_trained(strategy: Strategy, overrides: Overrides) -> None:
    """Check that decisions of a training are in their ranges, and that there is a training."""
    overrides.check()
    given = overrides.as_json()
    if given and strategy is Strategy.AUTO:
        name = next(iter(given))
        raise Invalid(
            f"{name!r} has no meaning for the strategy auto, which decides that by itself.",
            hint="Name a strategy that trains: --strategy partial, lp-ft, full or scratch",
            option=name,
        )
    if given and not strategy.is_trained:
        name = next(iter(given))
        raise Invalid(
            f"{name!r} has no meaning for the strategy {strategy.value}, which plans no training.",
            hint="Name one that trains: --strategy partial, lp-ft, full or scratch",
            option=name,
        )


def _check_zero_shot(layer: str, classifier: Classifier) -> None:
    """Check that nothing is asked of a classifier where none is fitted."""
    if layer != "codes":
        raise Invalid(
            f"The strategy zero-shot reads the model's own classes, no codes of {layer!r}.",
            hint="Leave --layer out, or fit a classifier: --strategy probe",
            option="layer",
        )
    if classifier is not Classifier.LOGISTIC:
        raise Invalid(
            f"The strategy zero-shot fits no classifier, so none by {classifier.value}.",
            hint="Leave --classifier out, or fit one: --strategy probe",
            option="classifier",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was measured before a training."""

    codes: int  # numbers a picture
    norm: float  # mean length of a picture's codes, as the classifier reads them
    crop_px: tuple[int, int]
    can_flip: bool  # the probe is as good on mirrored pictures
    boundary: str  # up to where layers are frozen; empty for nothing
    views: int  # of each picture that fit into memory at the boundary
    has_batch_norm: bool  # in what is trained


# Highest rates at batches of 32. A head's is 0.5 / D for D standardised codes, whose lengths are
# some sqrt(D): the loss is curved by D / 4 at most, and momentum of 0.9 bears some ten times that.
# A body's is 1/10 to 1/100 of 0.001, by the length of its codes: Caffe's are some 400 long because
# pictures are read as 0..255, and 0.001 destroys them where gradients are not clipped.
# A head that begins at zero has further to go: with ten times the rates, four epochs on ants and
# bees ended at a held-out loss of 0.13 instead of 0.29.
FURTHER = 10
HEAD_STEP, HEAD_RATES = 0.5, (1e-4, 1e-2)
BODY_RATE, BODY_NORM, BODY_SHARES = 1e-3, 4.0, (0.01, 0.1)
SCRATCH_RATE = 0.02
BATCH = 32
EPOCHS = {Strategy.PARTIAL: 12, Strategy.LP_FT: 8, Strategy.FULL: 10, Strategy.SCRATCH: 30}
LAYER_DECAY = 0.75
ANEW = "he+lsuv"  # the scheme that a network from scratch begins by
MIXUP = 0.1  # from LARGE on; fewer pictures lose by it (Kolesnikov et al. 2020, BiT's HyperRule)
SMALL_BATCH = 16  # below which the statistics of a batch tell too little
COARSE_PX = 96  # side of pictures below which a crop easily loses what they show
CROPS = {True: 0.25, False: 0.7}  # least area of a random crop: of larger pictures, of small ones


def plan_training(
    strategy: Strategy, pictures: int, facts: Facts, overrides: Overrides
) -> tuple[Training, tuple[str, ...]]:
    """Decide how a network is trained on so many pictures; give it and the reasons."""
    is_new = strategy is Strategy.SCRATCH
    batch = BATCH if overrides.batch is None else overrides.batch
    scale = batch / BATCH
    share = min(max(BODY_NORM / max(facts.norm, 1e-12), BODY_SHARES[0]), BODY_SHARES[1])
    begins_at_zero = strategy in {Strategy.FULL, Strategy.SCRATCH}
    further = scale * (FURTHER if begins_at_zero else 1)
    head_lr = min(max(HEAD_STEP / facts.codes, HEAD_RATES[0]), HEAD_RATES[1]) * further
    body_rate = BODY_RATE * further
    body_lr = SCRATCH_RATE * scale if is_new else body_rate * share
    is_told = is_new or (batch >= SMALL_BATCH and pictures >= SMALL)
    has_statistics = facts.has_batch_norm and is_told
    is_fine = min(facts.crop_px) >= COARSE_PX
    training = Training(
        epochs=EPOCHS[strategy] if overrides.epochs is None else overrides.epochs,
        batch=batch,
        head_lr=head_lr if overrides.head_lr is None else overrides.head_lr,
        body_lr=body_lr if overrides.lr is None else overrides.lr,
        layer_decay=1.0 if is_new else LAYER_DECAY,
        frozen_up_to=facts.boundary,
        views=facts.views,
        beginning=Beginning.ZERO if begins_at_zero else Beginning.PROBE,
        init=(overrides.init or ANEW) if is_new else "",
        flip=facts.can_flip,
        crop_least=CROPS[is_fine],
        has_statistics=has_statistics,
        has_dropout=is_new,
        weight_decay=5e-4 if is_new else 0.0 if pictures < LARGE else 1e-4,
        mixup=_choose_mixup(pictures) if overrides.mixup is None else overrides.mixup,
    )
    return training, _why_training(training, facts, told=f"{share:.2g} x {body_rate:.2g}")


def _why_training(training: Training, facts: Facts, *, told: str) -> tuple[str, ...]:
    body = (
        f"{training.init} begins the body, which learns at {training.body_lr:.2g}"
        if training.init
        else f"codes are {facts.norm:.3g} long: the body learns at {training.body_lr:.2g}, by "
        f"default {told}, and each stage {training.layer_decay:g} as fast as "
        "the one above"
    )
    flips = "as good" if facts.can_flip else "worse"
    mirror = "some are mirrored" if facts.can_flip else "none is mirrored"
    return (
        f"{facts.codes} codes: the head learns at {training.head_lr:.2g} of standardised ones",
        body,
        f"layers up to {training.frozen_up_to!r} are frozen"
        if training.frozen_up_to
        else "no layer is frozen",
        f"the probe is {flips} on mirrored held-out pictures: {mirror}",
        *_why_mixup(training),
        *_why_statistics(training, facts),
    )


def _choose_mixup(pictures: int) -> float:
    return MIXUP if pictures >= LARGE else 0.0


def _why_mixup(training: Training) -> list[str]:
    if not training.mixup:
        return []
    alpha = training.mixup
    return [f"pictures are blended in pairs, by shares of Beta({alpha:g}, {alpha:g})"]


def _why_statistics(training: Training, facts: Facts) -> list[str]:
    if not facts.has_batch_norm:
        return []
    if training.has_statistics:
        return ["batch normalisation counts the statistics of what it sees"]
    return ["batches or pictures are few: batch normalisation keeps its statistics"]


def _why_chosen(counts: Mapping[str, int], folds: int, otherwise: float) -> list[str]:
    if folds:
        told = f"C chosen by {folds}-fold cross-validation on the training pictures alone"
        return [told, *_why_rare(counts, folds)]
    return [f"{WHY_NOT_HELD_OUT}: C = {otherwise}"]


def _why_rare(counts: Mapping[str, int], folds: int) -> list[str]:
    """Name the classes that are held out in no fold."""
    rare = [f"{label!r} ({count})" for label, count in counts.items() if count < folds]
    if not rare:
        return []
    more = f" and {len(rare) - NAMED} more" if len(rare) > NAMED else ""
    told = f"too few training pictures to be held out: {', '.join(rare[:NAMED])}{more}"
    return [f"{told}; each fold learns from them, cross-validation does not tell of them"]


def _why_layer(layer: str, folds: int) -> list[str]:
    """Say where codes are taken, if that is not where the classifier reads."""
    if layer == BEST and not folds:
        return ["nothing can be held out, so no layer can be chosen: the last one"]
    told = {
        "codes": [],
        BEST: ["codes of the layer that cross-validation finds better than the last, or the last"],
        ALL: ["codes of layers along the whole depth, side by side"],
    }
    return told.get(layer, [f"codes of the layer {layer!r}, as asked for"])


def _why_weights(largest: int, smallest: int, *, is_imbalanced: bool, is_chosen: bool) -> str:
    answer = "classes are weighed by 1 / their share" if is_imbalanced else "no class weights"
    if is_imbalanced and is_chosen:
        answer += ", and choices go by the mean of their accuracies"
    return f"the largest class has {largest} training pictures, the smallest {smallest}: {answer}"
