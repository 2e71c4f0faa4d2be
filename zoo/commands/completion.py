"""`zoo completion`, and what shells are offered for the names of models and datasets."""

from collections.abc import Callable, Iterable
from functools import partial

import click
from click.shell_completion import CompletionItem, get_completion_class

from zoo.commands.console import opened
from zoo.errors import ZooError
from zoo.operations.datasets import list_datasets
from zoo.operations.fetch import list_models
from zoo.operations.opening import Zoo
from zoo.settings import read_settings

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ZOO_COMPLETE"  # by which a shell asks
MOST = 1000  # names

NAMES: dict[str, Callable[[Zoo], Iterable[str]]] = {
    "model": lambda zoo: (one.name for one in list_models(zoo, limit=MOST)),
    "dataset": lambda zoo: dict.fromkeys(one.name for one in list_datasets(zoo)),
}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, *, shell: str) -> None:
    """Write the script by which SHELL completes commands, options, models and datasets.

    \b
    bash: eval "$(zoo completion bash)" in ~/.bashrc
    zsh:  eval "$(zoo completion zsh)" in ~/.zshrc
    fish: zoo completion fish > ~/.config/fish/completions/zoo.fish
    """  # noqa: D301  # click reads \b
    kind = get_completion_class(shell)
    assert kind is not None  # click has all of SHELLS
    click.echo(kind(context.find_root().command, {}, "zoo", VARIABLE).source())


def complete_names(command: click.Command) -> None:
    """Have the arguments of a command that name models or datasets offer those of this zoo."""
    for one in command.params:
        if isinstance(one, click.Argument) and one.name in NAMES:
            offer = partial(_offer, NAMES[one.name])
            one.shell_complete = offer  # type: ignore[method-assign]  # as its own option would
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            complete_names(inner)


def _offer(
    names: Callable[[Zoo], Iterable[str]],
    ctx: click.Context,  # noqa: ARG001  # click's signature
    incomplete: str,
) -> list[CompletionItem]:
    """List the names that begin so; a shell is told of no error, and no zoo is made for it."""
    if not read_settings().home.is_dir():
        return []
    try:
        with opened() as zoo:
            return [CompletionItem(one) for one in names(zoo) if one.startswith(incomplete)]
    except (ZooError, OSError):
        return []
