"""The report is one file that needs no other, and shows what training.json tells."""

import copy
import re

import pytest

from zoo.operations.svg import draw_lines, draw_strip
from zoo.operations.training_report import write_report

EVIL = "<img src=x onerror=alert(1)>"
ACCURACY = {"value": 0.9375, "low": 0.9, "high": 0.97, "right": 15, "total": 16}
PROBE = {
    "plan": {"because": ["few pictures"], "strategy": "probe", "seed": 3, "training": None},
    "parent": "lenet@1",
    "dataset": "digits@2",
    "classes": ["ant", EVIL],
    "codes": {"taps": ["codes"], "depth": []},
    "outcome": None,
    "unchanged": {"tensors": 6, "of": 7},
    "metrics": {
        "val": {
            "accuracy": ACCURACY,
            "per_class": {"ant": ACCURACY, EVIL: ACCURACY},
            "confusion": [[7, 1], [0, 8]],
            "log_loss": 0.25,
            "calibration_error": 0.05,
        }
    },
    "parity": {
        "top1_equal": 16,
        "pictures": 16,
        "max_abs_difference": 3e-7,
        "provider": "CPUExecutionProvider",
    },
    "digests": {"parent": "a" * 64, "result": "b" * 64},
    "cost": {"cpu_s": 12.5},
    "versions": {"torch": "2.13.0"},
}


@pytest.fixture
def trained():
    told = copy.deepcopy(PROBE)
    told["plan"]["training"] = {"epochs": 2, "head_lr": 0.001, "frozen_up_to": EVIL}
    told["outcome"] = {
        "curve": [
            {
                "epoch": epoch,
                "rate": 0.5,
                "training_loss": None if epoch == 0 else 0.4,
                "held_out_loss": 0.7 - epoch / 10,
                "held_out_accuracy": 0.8,
            }
            for epoch in range(3)
        ],
        "share": 0.5,
        "mixes": [{"share": 0.5, "loss": 0.5, "accuracy": 0.81}],
        "verdict": {
            "is_better": False,
            "pictures": 49,
            "trained_right": 46,
            "probe_right": 47,
            "gain": -0.0204,
            "standard_error": 0.02,
            "p": 1.0,
        },
    }
    told["codes"]["depth"] = [
        {"layer": "fire8", "codes": 512, "accuracy": 0.88, "standard_error": 0.01}
    ]
    return told


def test_unequal_classes_have_what_is_had_without_looking_beside_their_accuracy():
    assert "unequal" not in write_report(PROBE, "a title")
    told = copy.deepcopy(PROBE)
    told["metrics"]["val"]["unequal"] = {
        "label": EVIL,
        "share": 0.909,
        "balanced_accuracy": 0.712,
    }
    report = write_report(told, "a title")
    for figure in ("unequal size", "0.909", "0.712"):
        assert figure in report
    assert EVIL not in report


def test_a_verdict_on_weighed_classes_tells_of_their_balance(trained):
    trained["outcome"]["verdict"] |= {"balanced_gain": 0.125, "balanced_error": 0.05}
    for one in trained["codes"]["depth"]:
        one |= {"balanced_accuracy": 0.7125, "balanced_error": 0.03}
    report = write_report(trained, "a title")
    for told in ("+12.5 +- 5.0 of balanced accuracy", "held-out balanced accuracy", "+- 0.030"):
        assert told in report


def test_a_probe_has_accuracy_classes_proof_and_origin():
    report = write_report(PROBE, "a title")
    for told in ("0.938", "15 of 16", "0.900 to 0.970", "few pictures", "6 of 7 tensors"):
        assert told in report
    for told in ("lenet@1", "digits@2", "b" * 64, "12.5", "2.13.0", "3.0e-07"):
        assert told in report
    assert "Training</h2>" not in report


def test_a_training_has_its_curve_verdict_and_decisions(trained):
    report = write_report(trained, "a title")
    for told in ("46 right, the probe 47", "the probe stays", "held-out loss", "head lr", "50%"):
        assert told in report
    assert report.count("<polyline") == 4
    assert "epoch 2: 0.50" in report


def test_names_are_text_and_nothing_is_fetched_or_run(trained):
    report = write_report(trained, EVIL)
    assert EVIL not in report
    assert "&lt;img src=x" in report
    tags = " ".join(re.findall(r"<[^>]*>", report))
    assert not re.search(r"<(script|img|link|iframe|object)|\son\w+=|https?:|src=|href=", tags)


def test_a_flat_and_a_short_line_can_be_drawn():
    assert "<polyline" in draw_lines([("loss", [0.0])], across="epochs")
    assert 'points=""' in draw_lines([("loss", [None])], across="epochs")
    assert "NaN" not in draw_strip([], [])


def test_wrong_pictures_lie_inside_the_page():
    told = copy.deepcopy(PROBE)
    told["wrong"] = [{"picture": EVIL, "label": "ant", "said": EVIL}]
    page = write_report(told, "title", b"\xff\xd8 a sheet")
    assert "1 of 16 validation pictures" in page
    assert "data:image/jpeg;base64,/9ggYSBzaGVldA==" in page
    assert EVIL not in page
    assert "Wrong pictures" not in write_report(PROBE, "title")


def test_long_names_make_no_table_wider_than_the_page():
    told = copy.deepcopy(PROBE)
    long = "w" * 200
    told["classes"] = ["ant", long]
    told["metrics"]["val"]["per_class"] = {"ant": ACCURACY, long: ACCURACY}
    page = write_report(told, "tuned")
    # In full where it has a row, and clipped where each class has a column.
    assert f'<td class="long">{long}</td>' in page
    assert f'<th><span class="clip" title="{long}">{long}</span></th>' in page
    assert "<td>ant</td>" in page
    assert page.count("<table>") == page.count('<div class="table" tabindex="0"><table>')
