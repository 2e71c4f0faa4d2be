"""`zoo advise`: every number measured, a command to paste, and later held against the result."""

import shlex

import pytest

from zoo.operations.advise import tell_gain

pytestmark = pytest.mark.usefixtures("stocked")


def test_advice_ends_in_a_command_that_runs_and_is_held_against_its_result(zoo_cli):
    ran = zoo_cli("advise", "lenet", "digits", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["facts"]["counts"]["train"] == dict.fromkeys("56789", 8)
    assert told["looked_at"] == 40
    assert told["depth"][-1]["layer"] == "codes"
    assert {"accuracy", "standard_error", "random", "gain"} <= told["depth"][0].keys()
    assert told["quadrant"]["name"].startswith("small + ")
    assert len(told["because"]) == 6
    assert told["reference_moments"] is None
    assert "zoo reference lenet FOLDER" in told["because"][-1]
    assert told["similarity"]["stands_for"]
    assert [point["pictures"] for point in told["learning_curve"]] == [10, 20, 30, 40]
    strategies = {arm["strategy"] for arm in told["arms"]}
    assert strategies == {"zero-shot", "probe", "partial", "lp-ft", "full", "scratch"}
    assert all(arm["cpu_s"] > 0 for arm in told["arms"])
    assert told["record"] == []
    command = shlex.split(told["advised"]["command"])
    assert command[0] == "zoo"
    tuned = zoo_cli(*command[1:], "--json")
    assert tuned.code == 0, tuned.err
    # In words, and with the result beside it.
    again = zoo_cli("advise", "lenet", "digits")
    assert again.code == 0
    assert told["quadrant"]["name"] in again.out
    for gain in told["gains"]:
        assert gain["low"] <= gain["points"] <= gain["high"]
        assert f"{gain['more']} more pictures {tell_gain(gain)}" in again.out
    assert "track record:" in again.out
    # What took its codes elsewhere is no test of what was predicted.
    assert zoo_cli("finetune", "lenet", "digits", "--layer", "all", "--name", "else").code == 0
    (kept,) = zoo_cli("advise", "lenet", "digits", "--json").json["record"]
    assert kept["strategy"] == told["advised"]["strategy"] == kept["advised"]
    assert kept["predicted"] == told["predicted"]["accuracy"]
    assert kept["found"] == tuned.json["accuracy"]["value"]


def test_models_are_ranked_and_those_that_have_seen_the_pictures_are_told(zoo_cli):
    ran = zoo_cli("advise", "digits", "--json")
    assert ran.code == 0, ran.err
    rows = {row["model"]: row for row in ran.json["models"]}
    assert rows.keys() == {"lenet", "lenet-digits"}
    assert rows["lenet-digits"]["has_seen"]
    assert not rows["lenet"]["has_seen"]
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows.values())
    accuracies = [row["accuracy"] for row in ran.json["models"]]
    assert accuracies == sorted(accuracies, reverse=True)
    shown = zoo_cli("advise", "digits")
    assert "lenet-digits (has seen it)" in shown.out


def test_a_class_of_one_picture_is_no_ground_for_advice(zoo_cli, tmp_path, digits):
    folder = tmp_path / "few"
    for split in ("train", "val"):
        for label in ("5", "6"):
            (folder / split / label).mkdir(parents=True)
            source = sorted((digits / label).iterdir())[split == "val"]
            (folder / split / label / "a.png").write_bytes(source.read_bytes())
    ran = zoo_cli("advise", "lenet", folder)
    assert ran.code == 0, ran.err
    assert "nothing can be held out" in ran.out
    # It predicts nothing that a fine-tune could be held against.
    assert zoo_cli("finetune", "lenet", folder).code == 0
    after = zoo_cli("advise", "lenet", "digits", "--json")
    assert after.code == 0, after.err
    assert after.json["record"] == []
    ranked = zoo_cli("advise", folder)
    assert ranked.code != 0
    assert "nothing can be held out" in ranked.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing", "digits"), "nothing"),
        (("lenet", "nowhere"), "nowhere"),
        (("a", "b", "c"), "Give a model and a dataset"),
        ((), "Missing argument"),
    ],
)
def test_what_is_not_there_is_named(zoo_cli, arguments, said):
    ran = zoo_cli("advise", *arguments)
    assert ran.code != 0
    assert said in ran.err


def test_how_far_pictures_are_from_a_reference_is_told(zoo_cli, digits):
    ran = zoo_cli("reference", "lenet", digits, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["pictures"] >= 50
    assert ran.json["layers"][-1] == "codes"
    told = zoo_cli("advise", "lenet", "digits", "--json").json
    far = told["reference_moments"]
    assert far["source"] == digits.name
    assert far["reference"] == ran.json["pictures"]
    assert far["pictures"] == 25  # half of the reference
    assert 0.3 < far["ratio"] < 1.2  # They are its own.
    assert [point["frechet_ratio"] for point in told["depth"]][-1] == far["ratio"]
    shown = zoo_cli("advise", "lenet", "digits")
    assert "FRECHET RATIO" in shown.out
    assert f"{far['ratio']:.1f} times that of as many of their own kind" in shown.out


def test_reference_pictures_that_are_too_few_are_refused_and_nothing_is_kept(
    zoo_cli, digits, tmp_path, home
):
    folder = tmp_path / "few"
    folder.mkdir()
    for number, path in enumerate(sorted(digits.rglob("*.png"))[:5]):
        (folder / f"{number}.png").write_bytes(path.read_bytes())
    (folder / "notes.txt").write_text("no picture")
    ran = zoo_cli("reference", "lenet", folder)
    assert ran.code != 0
    assert "5 readable pictures" in ran.err
    assert not list(home.glob("references/*"))
    missing = zoo_cli("reference", "lenet", tmp_path / "none")
    assert missing.code != 0
    assert "there is no such file or folder" in missing.err


def test_a_reference_that_is_damaged_counts_as_none(zoo_cli, digits, home):
    assert zoo_cli("reference", "lenet", digits).code == 0
    (kept,) = home.glob("references/*")
    kept.write_bytes(kept.read_bytes()[:100])
    told = zoo_cli("advise", "lenet", "digits", "--json").json
    assert told["reference_moments"] is None


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ((0.4, 1.5, 2.6), "would buy about +1.5 points (+0.4 to +2.6 at 95 %)"),
        (
            (-0.8, 0.3, 1.4),
            "may buy +0.3 points (-0.8 to +1.4 at 95 %); whether they would help cannot be told",
        ),
        (
            (-1.2, -0.04, 0.0),
            "would not help: +0.0 points (-1.2 to +0.0 at 95 %), as far as the curve tells",
        ),
    ],
)
def test_what_more_pictures_buy_is_told_with_the_sign_only_where_it_is_known(bounds, told):
    low, points, high = bounds
    gain = {"more": 200, "points": points, "low": low, "high": high, "standard_error": 1.0}
    assert tell_gain(gain) == told


def test_all_right_is_not_said_to_leave_nothing_to_gain():
    gain = {"more": 200, "points": 0.0, "low": 0.0, "high": 8.8, "standard_error": 2.2}
    assert tell_gain(gain | {"all_right": 40}) == (
        "have nothing left to gain that these 40 pictures could show: all are right, which leaves"
        " up to 8.8 points at 95 %"
    )


def test_a_gain_of_an_older_advice_has_bounds_by_its_error():
    assert tell_gain({"more": 200, "points": 1.0, "standard_error": 1.0}).startswith(
        "may buy +1.0 points (-1.0 to +3.0 at 95 %)"
    )
