"""layers.json is read as it was written, and refused where it is something else."""

import json

import pytest

from zoo.domain.layers import Inventory, LayerRow, Window

ROWS = (
    LayerRow(
        name="conv1",
        kind="Conv2d",
        output=(96, 55, 55),
        parameters=34_944,
        macs=105_415_200,
        window=Window(window_px=(11, 11), stride_px=(4, 4), start_px=(-2, -2)),
        tensors=("conv1.weight", "conv1.bias"),
    ),
    LayerRow(
        name="attention", kind="Module", output=None, parameters=6, macs=4, window=None, tensors=()
    ),
)
INVENTORY = Inventory(inputs=((3, 227, 227),), rows=ROWS)


def test_it_is_read_as_it_was_written():
    assert Inventory.from_json(json.loads(json.dumps(INVENTORY.as_json()))) == INVENTORY


def test_totals_are_written_for_those_who_read_it():
    written = INVENTORY.as_json()
    assert (written["parameters"], written["macs"]) == (34_950, 105_415_204)
    assert (INVENTORY.parameters, INVENTORY.macs) == (34_950, 105_415_204)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 7),
        ("kind", None),
        ("output", "96"),
        ("output", [-1]),
        ("output", [1.5]),
        ("parameters", -1),
        ("parameters", True),
        ("macs", 2**70),
        ("macs", "many"),
        ("window", []),
        ("window", {"window_px": [1], "stride_px": [1, 1], "start_px": [0, 0]}),
        ("window", {"window_px": [1, 1], "stride_px": [1, 1], "start_px": [0, None]}),
        ("tensors", "conv1.weight"),
        ("tensors", [1]),
    ],
)
def test_values_of_another_kind_are_refused_by_name(field, value):
    written = json.loads(json.dumps(INVENTORY.as_json()))
    written["layers"][0][field] = value
    with pytest.raises(ValueError, match=r"name|kind|output|parameters|macs|window|_px|tensors"):
        Inventory.from_json(written)


@pytest.mark.parametrize("value", [None, [], {"inputs": [], "layers": {}}, {"inputs": 3}])
def test_what_is_no_list_of_layers_is_refused(value):
    with pytest.raises((ValueError, KeyError)):
        Inventory.from_json(value)
