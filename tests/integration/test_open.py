"""`zoo open`: the page of a model, in the browser."""

import click
import pytest


@pytest.fixture
def served(stocked, app, listen):
    """The address of a zoo with the model lenet."""
    assert stocked
    return listen(app)


@pytest.fixture
def launched(monkeypatch):
    """What the browser was asked to show; it starts unless ``fails`` is put there."""
    asked = []

    def launch(page):
        asked.append(page)
        return int("fails" in asked)

    monkeypatch.setattr(click, "launch", launch)
    return asked


@pytest.mark.parametrize("address", ["lenet", "lenet:main"])
def test_the_page_of_a_model_is_opened(zoo_cli, served, client, launched, address):
    ran = zoo_cli("open", address, "--at", f"{served}/")
    assert (ran.code, ran.out, ran.err) == (0, f"{served}/models/{address}\n", "")
    assert launched == [f"{served}/models/{address}"]
    assert client.get(launched[0].removeprefix(served)).status_code == 200


def test_without_a_model_it_is_the_gallery(zoo_cli, served, launched):
    assert zoo_cli("open", "--at", served).code == 0
    assert launched == [served]


def test_the_server_of_this_machine_is_where_the_settings_say(
    zoo_cli, served, launched, monkeypatch
):
    monkeypatch.setenv("ZOO_HOST", "0.0.0.0")
    monkeypatch.setenv("ZOO_PORT", served.rpartition(":")[2])
    assert zoo_cli("open", "lenet", "--print").out == f"{served}/models/lenet\n"
    assert not launched


def test_where_no_browser_starts_the_address_is_told(zoo_cli, served, launched):
    launched.append("fails")
    ran = zoo_cli("open", "lenet", "--at", served)
    assert (ran.code, ran.out) == (0, f"{served}/models/lenet\n")
    assert "No browser could be started" in ran.err


def test_a_model_that_is_not_there_is_told_with_its_neighbours(zoo_cli, served, launched):
    ran = zoo_cli("open", "lenett", "--at", served)
    assert ran.code == 3
    assert "lenet" in ran.err
    assert not launched


def test_a_server_that_is_not_there_is_told_how_to_start(zoo_cli, launched, monkeypatch):
    monkeypatch.setenv("ZOO_PORT", "9")
    ran = zoo_cli("open", "lenet")
    assert ran.code == 7
    assert "next: Start it, in another terminal: zoo serve" in ran.err
    assert not launched
