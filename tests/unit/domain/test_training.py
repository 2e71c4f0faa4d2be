"""What an epoch says of itself is understood again."""

import pytest

from zoo.domain.training import Measured


@pytest.mark.parametrize("training_loss", [None, 0.0, 1.25e-7, 479.25, 3.5e12])
def test_what_an_epoch_says_is_read_again(training_loss):
    one = Measured(
        epoch=12,
        rate=0.528,
        training_loss=training_loss,
        held_out_loss=0.125,
        held_out_accuracy=0.9375,
    )
    assert Measured.read(str(one)) == one


@pytest.mark.parametrize("text", ["", "steps", "epoch 3: held-out loss nan", "epoch x: held-out"])
def test_anything_else_is_no_epoch(text):
    assert Measured.read(text) is None
