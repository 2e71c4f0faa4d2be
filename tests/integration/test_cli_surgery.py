"""`zoo dense` and `zoo surgery` at the terminal."""

import pytest

from zoo.operations import fetch

pytestmark = pytest.mark.usefixtures("stocked")


def test_dense_tells_geometry_and_certificate(zoo_cli, surgeon):
    ran = zoo_cli("dense", "lenet", "--check", "45x40")
    assert ran.code == 0
    revision = ran.out.splitlines()[1].strip()
    assert ran.out.startswith("lenet-dense  5 classes")
    told = surgeon.told(fetch.get_revision(surgeon.zoo, revision))["certificate"]["told"]
    assert [line.strip() for line in ran.out.splitlines()[2:]] == told
    assert "certify: comparing it with the network it was made of" in ran.err
    assert "next: zoo heatmap lenet-dense PICTURE" in ran.err


def test_dense_as_json_has_the_file_and_the_summary(zoo_cli):
    ran = zoo_cli("dense", "lenet", "--pads", "remove", "--border", 2, "--name", "valid", "--json")
    assert ran.json["model"] == "valid"
    assert ran.json["runs"] == "dense"
    assert ran.json["geometry"]["native_px"] == [28, 28]
    assert ran.json["certificate"]["native"]["is_original"] is False


def test_a_surgery_is_done_and_shown(zoo_cli, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("ant\nbee\n")
    ran = zoo_cli("surgery", "replace-head", "lenet", "--labels", labels)
    assert ran.out.startswith("lenet-2-classes  2 classes  ")
    ran = zoo_cli("surgery", "cut", "lenet-2-classes", "--layer", "ip3")
    assert ran.code != 0
    assert "has no layer 'ip3'" in ran.err
    assert "ip1" in ran.err


def test_jobs_can_be_left_to_a_worker(zoo_cli):
    number = zoo_cli("dense", "lenet", "-d").out.strip()
    assert zoo_cli("dense", "lenet", "-d", "--json").json == {"job": int(number)}
    assert zoo_cli("surgery", "fold", "lenet", "-d").out.strip() == str(int(number) + 1)
    assert zoo_cli("surgery", "cut", "lenet", "--layer", "ip1", "-d", "--json").json["job"] > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dense", "lenet", "--check", "45"), "give height and width in pixels: 451x451"),
        (("dense", "lenet", "--check", "9000x10"), "A picture of 9000 x 10 cannot be checked"),
        (("dense", "lenett"), "Did you mean 'lenet'"),
        (("surgery", "cut", "lenet"), "--layer"),
        (("surgery", "replace-head", "lenet"), "Say how many classes the new head has"),
    ],
)
def test_wrong_use_is_told(zoo_cli, arguments, told):
    ran = zoo_cli(*arguments)
    assert ran.code != 0
    assert told in ran.err
