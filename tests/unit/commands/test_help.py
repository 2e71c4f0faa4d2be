"""`--help` of every verb can be read, and its examples copied."""

import click
import pytest
from click.testing import CliRunner

from zoo.commands.main import cli
from zoo.commands.table import COMMANDS


def list_verbs():
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            yield from ((name, each) for each in command.commands)


@pytest.mark.parametrize("verb", list(list_verbs()), ids=" ".join)
def test_help_is_told_without_the_marks_it_is_written_with(verb):
    told = CliRunner().invoke(cli, [*verb, "--help"])
    assert told.exit_code == 0
    assert "\\b" not in told.output


def test_examples_stand_on_lines_of_their_own():
    lines = CliRunner().invoke(cli, ["dense", "--help"]).output.splitlines()
    assert "    zoo dense caffenet" in lines
