"""What cards say of their accuracy."""

import pytest

from zoo.formats.claims import find_claims


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("This model obtains a top-1 accuracy 57.4% and a top-5 accuracy 80.4%.", [0.574]),
        ("It has a top-1 accuracy 68.7% (31.3% error) and a top-5 accuracy 88.9%.", [0.687]),
        ("Testing net (#0)\n    Test net output #0: accuracy = 0.3916", [0.3916]),
        ("The authors report 93.25% on CIFAR-10.", [0.9325]),
        ("Top-5 accuracy: 80.2%", []),
        ("It has a top-1 error 42.6%.", []),
        ("Dropout keeps 50% of the units.", []),
        ("Accuracy of 100%. And accuracy 99 %!", [1.0, 0.99]),
        ("", []),
    ],
)
def test_shares_of_right_answers_are_found(text, values):
    assert [claim.value for claim in find_claims(text)] == values


def test_a_claim_keeps_its_sentence():
    (claim,) = find_claims("Trained for long. Its accuracy is 97.5% there. Enjoy.")
    assert claim.sentence == "Its accuracy is 97.5% there."


def test_a_long_text_is_read_in_one_pass():
    assert len(find_claims("accuracy 50%. " * 100_000)) == 8
    assert find_claims("accuracy " + "1." * 200_000) == ()
