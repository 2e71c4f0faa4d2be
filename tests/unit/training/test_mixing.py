"""Blending: pictures and labels by one share, drawn by seed and step, alike in any division."""

import numpy as np
import pytest
import torch
from torch import nn

from zoo.training.mixing import draw_blend

COUNT, CLASSES = 12, 4


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(COUNT + 5, 3)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, CLASSES, COUNT))
    places = rng.permutation(COUNT + 5)[:COUNT].tolist()
    return x, labels, places


def blended(blend, batch, parts, weights=None):
    """Give all that a division into parts reads, and the loss of a linear network on it."""
    x, labels, places = batch
    matrix = torch.linspace(-1, 1, 3 * CLASSES).reshape(3, CLASSES)
    rows, loss = [], 0.0
    for part in np.array_split(np.arange(COUNT), parts):
        rows.append(blend.read(lambda some: x[list(some)], places, part))
        loss += float(blend.loss(rows[-1] @ matrix, labels, part, weights))
    return torch.cat(rows), loss


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 3.0])])
def test_the_loss_is_that_of_labels_blended_by_the_same_share(batch, weights):
    x, labels, places = batch
    blend = draw_blend(COUNT, alpha=1.0, seed=3, step=4)
    assert 0 < blend.share < 1
    rows, loss = blended(blend, batch, 1, weights)
    own = x[places]
    assert torch.allclose(rows, own * blend.share + own[blend.partners] * (1 - blend.share))
    scores = rows @ torch.linspace(-1, 1, 3 * CLASSES).reshape(3, CLASSES)
    hot = nn.functional.one_hot(labels, CLASSES).float()
    soft = hot * blend.share + hot[blend.partners] * (1 - blend.share)
    each = torch.ones(CLASSES) if weights is None else weights
    expected = -(soft * each * scores.log_softmax(dim=1)).sum()
    assert loss == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_any_division_reads_and_costs_the_same(batch, parts):
    blend = draw_blend(COUNT, alpha=0.4, seed=3, step=4)
    whole, divided = blended(blend, batch, 1), blended(blend, batch, parts)
    assert torch.equal(whole[0], divided[0])
    assert whole[1] == pytest.approx(divided[1], rel=1e-5)


def test_it_follows_from_seed_and_step():
    def drawn(seed, step):
        blend = draw_blend(COUNT, alpha=0.4, seed=seed, step=step)
        return blend.share, blend.partners.tolist()

    assert drawn(1, 2) == drawn(1, 2)
    assert len({str(drawn(seed, step)) for seed in range(3) for step in range(3)}) == 9
    assert sorted(drawn(1, 2)[1]) == list(range(COUNT))


def test_without_it_pictures_are_read_once_and_stay_what_they_are(batch):
    x, _, places = batch
    asked = []
    blend = draw_blend(COUNT, alpha=0.0, seed=1, step=1)
    found = blend.read(lambda some: asked.append(some) or x[list(some)], places, np.arange(3))
    assert asked == [places[:3]]
    assert torch.equal(found, x[places[:3]])
