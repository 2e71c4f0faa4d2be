"""What `zoo advise` tells of a dataset."""

from zoo.commands.advise import _show_facts


def facts(count, named):
    return {
        "counts": {"train": {"ant": 3}},
        "copies": 0,
        "skipped": [],
        "alike_across_splits": count,
        "alike": [[f"train/{number}.png", f"val/{number}.png"] for number in range(named)],
    }


def test_pairs_that_are_not_named_are_counted(capsys):
    _show_facts(facts(23, 20))
    told = capsys.readouterr().out.splitlines()
    assert told[1].startswith("23 pairs of a training and a validation picture")
    assert told[-1] == "  and 3 more"
    _show_facts(facts(2, 2))
    assert "more" not in capsys.readouterr().out
