"""What reaches the terminal."""

import pytest

from zoo.commands.console import printable, show_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fire9/concat", "fire9/concat"),
        ("M\xf6we, \u9d17", "M\xf6we, \u9d17"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\t\x7f", "two\\nlines\\t\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_what_a_terminal_would_obey_is_written_as_numbers(text, shown):
    assert printable(text) == shown


def test_a_name_from_a_file_stays_on_its_line(capsys):
    show_table(("LAYER", "CODES"), [("conv\x1b[2J\n1", 3), ("fc", 10)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("conv\\x1b[2J\\n1")
