"""The `zoo` command: finds the verb, runs it, turns errors into one message and an exit code."""

import difflib
import importlib
import json
import signal
import sys
from typing import NoReturn

import click

from zoo import errors
from zoo.commands.table import COMMANDS

EXIT: dict[type[errors.ZooError], int] = {
    errors.NotFound: 3,
    errors.Unauthenticated: 4,
    errors.Forbidden: 4,
    errors.JobFailed: 5,
    errors.Damaged: 6,
    errors.ServerUnreachable: 7,
    errors.SomeUnreadable: 8,
    errors.Interrupted: 130,
    errors.ZooError: 1,
}
USAGE = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(f"zoo.commands.{module}").command
        _keep_lines(command)
        if ctx.resilient_parsing:  # A shell asks what could stand here.
            importlib.import_module("zoo.commands.completion").complete_names(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for, or say which one may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else " See: zoo --help"
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the list of commands without importing one of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])


def _keep_lines(command: click.Command) -> None:
    """Have help keep the lines of examples: a raw docstring spells the character that says so."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _keep_lines(one)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zoo")
def cli() -> None:
    """Keep pretrained vision models, fine-tune them on your pictures, serve them as ONNX.

    The zoo lives in ZOO_HOME (~/.zoo); with --at URL most verbs are done in another one. Results go
    to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not
    allowed, 5 job failed, 6 integrity, 7 unreachable, 8 some pictures unreadable, 130 interrupted.
    """


def exit_code(kind: type[errors.ZooError]) -> int:
    """Give the exit code of an error's nearest kind in the table."""
    return next(EXIT[parent] for parent in kind.__mro__ if parent in EXIT)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(args=given, prog_name="zoo", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE if isinstance(error, click.UsageError) else 1)
    except (click.Abort, KeyboardInterrupt):
        _exit(errors.Interrupted(), is_json="--json" in given)
    except errors.ZooError as error:
        _exit(error, is_json="--json" in given)
    except BrokenPipeError:
        sys.stderr.close()  # The reader of our output went away, which is its right.
        sys.exit(0)
    except OSError as error:
        _exit(_named(error), is_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)


def _named(error: OSError) -> errors.ZooError:
    """Name what the operating system refused; an error without a file is a fault of ours.

    Raises:
        OSError: it names no file.
    """
    if errors.is_full(error):
        return errors.storage_full(error)
    if error.filename is None:
        raise error
    return errors.Invalid(
        f"{error.filename}: {error.strerror}.",
        hint="Check the path and who may read and write there.",
        path=str(error.filename),
    )


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Treat being told to end like Ctrl-C: what was done is kept, processes are stopped."""
    raise KeyboardInterrupt


def _exit(error: errors.ZooError, *, is_json: bool) -> NoReturn:
    """Say what went wrong and what to do next, and exit with the error's code."""
    if is_json:
        click.echo(json.dumps(error.as_json(), indent=2, default=str))
    click.secho(f"error: {error}", fg="red", err=True)
    click.echo(f"  next: {error.hint}", err=True)
    sys.exit(exit_code(type(error)))
