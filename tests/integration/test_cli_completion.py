"""What shells are offered, and names alone for other programs."""

import pytest
from click.shell_completion import BashComplete

from zoo.commands.completion import SHELLS, VARIABLE
from zoo.commands.main import cli


def offered(*arguments):
    """Give what would be offered for the last of some arguments."""
    *before, incomplete = arguments
    found = BashComplete(cli, {}, "zoo", VARIABLE).get_completions(before, incomplete)
    return [item.value for item in found]


@pytest.fixture(autouse=True)
def _zoo_home(home, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(home))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_the_script_that_asks_this_program(zoo_cli, shell):
    ran = zoo_cli("completion", shell)
    assert ran.code == 0
    assert f"{VARIABLE}={shell}_complete" in ran.out
    assert zoo_cli("completion", "tcsh").code == 2


def test_commands_and_options_are_offered(home):
    assert offered("da") == ["datasets"]
    assert offered("list", "--se") == ["--search"]
    assert not home.exists()


@pytest.mark.usefixtures("stocked")
def test_models_and_datasets_of_this_zoo_are_offered():
    assert offered("show", "lenet-") == ["lenet-digits"]
    assert offered("finetune", "") == ["lenet", "lenet-digits"]
    assert offered("finetune", "lenet", "di") == ["digits"]
    assert offered("refs", "list", "le") == ["lenet", "lenet-digits"]


def test_where_there_is_no_zoo_none_is_made_and_nothing_offered(home):
    assert offered("show", "") == []
    assert not home.exists()


def test_a_zoo_that_cannot_be_opened_offers_nothing(home):
    home.mkdir()
    (home / "zoo.db").write_text("no database")
    assert offered("show", "") == []


@pytest.mark.usefixtures("stocked")
def test_names_alone_are_written_for_other_programs(zoo_cli):
    ran = zoo_cli("list", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "lenet\nlenet-digits\n", "")
    (dataset,) = zoo_cli("datasets", "list", "-q").out.splitlines()
    assert zoo_cli("datasets", "show", dataset).code == 0
    assert zoo_cli("refs", "list", "lenet", "-q").out == "main\n"
