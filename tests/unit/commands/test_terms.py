"""The options of commands that queue jobs."""

import json

import click
import pytest
from click.testing import CliRunner

from zoo.commands.terms import Size, terms_options


@click.command()
@terms_options
def ask(terms):
    click.echo(json.dumps([terms.priority, terms.after, terms.needs.threads]))
    click.echo(terms.needs.memory_bytes)


def run(*arguments):
    return CliRunner().invoke(ask, arguments)


def test_nothing_is_asked_for_by_default():
    assert run().output == "[null, [], null]\n\n"
    assert run("--priority", "0").output == "[0, [], null]\n\n"


def test_terms_are_given_to_the_command():
    told = run("--after", "3", "--after", "5", "--priority", "-2", "--threads", "4")
    assert told.output == "[-2, [3, 5], 4]\n\n"


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("1000", 1000), ("512M", 512 * 2**20), ("4g", 4 * 2**30), ("2 GiB", 2**31), ("1T", 2**40)],
)
def test_sizes_are_read(text, size_bytes):
    assert Size().convert(text, None, None) == size_bytes
    assert run("--memory", text).output.endswith(f"{size_bytes}\n")


@pytest.mark.parametrize("text", ["lots", "0", "-1", "4X", "9999T", "1.5G"])
def test_what_is_no_size_is_refused(text):
    told = run("--memory", text)
    assert told.exit_code == 2
    assert "no size" in told.output


@pytest.mark.parametrize("line", ["--priority 101", "--priority -101", "--after 0", "--threads 0"])
def test_what_is_out_of_range_is_refused(line):
    assert run(*line.split()).exit_code == 2
