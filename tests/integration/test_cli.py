"""The command line as such: help, usage, errors, and that quick commands stay quick."""

import pytest
from click.testing import CliRunner

from zoo import __version__
from zoo.commands.main import cli
from zoo.commands.table import COMMANDS


def test_help_lists_every_command_with_its_meaning(zoo_cli):
    ran = zoo_cli("--help")
    assert ran.code == 0
    for name, (_, meaning) in COMMANDS.items():
        assert name in ran.out
        assert meaning.split(",")[0].split(":")[0][:30] in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(zoo_cli, name):
    for flag in ("--help", "-h"):
        ran = zoo_cli(name, flag)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"Usage: zoo {name}")


def test_the_version_is_told(zoo_cli):
    assert zoo_cli("--version").out == f"zoo, version {__version__}\n"


def test_help_works_under_clicks_own_runner():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["finetun", "a", "b"], "Did you mean 'finetune'?"),
        (["import_"], "Did you mean 'import'?"),
        (["xyzzy"], "See: zoo --help"),
        (["list", "--colour"], "No such option"),
        (["finetune", "a"], "Missing argument"),
        (["finetune", "a", "b", "--seed", "-1"], "--seed"),
        (["import", "x", "--mean", "grey"], "104,117,123"),
        (["predict", "a"], "Missing argument"),
        (["jobs", "show", "one"], "not a valid integer"),
        (["datasets", "remove"], "No such command"),
        (["export", "a", "--format", "tiff"], "tiff"),
        (["serve", "--port", "http"], "not a valid integer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_and_exits_with_2(zoo_cli, arguments, told):
    ran = zoo_cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["show", "nothing"], 3, "model_not_found"),
        (["show", "lenet:v9"], 3, "revision_not_found"),
        (["show", "-x"], 2, None),
        (["show", "x--y"], 1, "bad_name"),
        (["predict", "nothing", "a.png"], 3, "model_not_found"),
        (["predict", "lenet", "a.png"], 3, "path_not_found"),
        (["jobs", "show", "99"], 3, "job_not_found"),
        (["datasets", "show", "nothing"], 3, "dataset_not_found"),
        (["datasets", "add", "./nothing"], 3, "path_not_found"),
        (["import", "./nothing"], 3, "path_not_found"),
        (["finetune", "nothing", "digits"], 3, "model_not_found"),
        (["finetune", "lenet", "nothing"], 3, "dataset_not_found"),
        (["finetune", "lenet", "./nothing"], 3, "path_not_found"),
        (["finetune", "lenet", "/nothing/at/all.zip"], 3, "path_not_found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_a_next_step_and_a_code(zoo_cli, arguments, code, name):
    plain = zoo_cli(*arguments)
    assert (plain.code, plain.out) == (code, "")
    if name is None:
        return
    first, second = plain.err.splitlines()[-2:]
    assert first.startswith("error: ")
    assert second.startswith("  next: ")
    as_json = zoo_cli(*arguments, "--json")
    assert as_json.code == code
    assert as_json.json["error"]["code"] == name
    assert first == f"error: {as_json.json['error']['message']}"
    assert second == f"  next: {as_json.json['error']['hint']}"


@pytest.mark.usefixtures("stocked")
def test_a_misspelled_model_is_answered_with_the_near_one(zoo_cli):
    assert "Did you mean 'lenet'" in zoo_cli("show", "lenett").err


@pytest.mark.parametrize(
    ("name", "value"),
    [("ZOO_PORT", "http"), ("ZOO_PORT", "70000"), ("ZOO_DEVICE", "tpu"), ("ZOO_LEASE_S", "0")],
)
def test_a_setting_that_cannot_be_used_is_named(zoo_cli, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    ran = zoo_cli("list")
    assert ran.code == 1
    assert name.removeprefix("ZOO_").lower() in ran.err
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize("url", ["mysql-or-so://x", "sqlite:////nowhere/at/all/zoo.db"])
def test_a_catalog_that_cannot_be_opened_is_named(zoo_cli, monkeypatch, url):
    monkeypatch.setenv("ZOO_DATABASE_URL", url)
    ran = zoo_cli("list")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 2


def test_a_home_that_cannot_be_is_named(zoo_cli, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file" / "home"))
    ran = zoo_cli("list")
    assert ran.code == 1
    assert "ZOO_HOME" in ran.err
    assert len(ran.err.splitlines()) == 2


@pytest.mark.usefixtures("stocked")
def test_a_path_that_the_system_refuses_is_named(zoo_cli, tmp_path):
    (tmp_path / "file").write_text("")
    ran = zoo_cli("export", "lenet", "-o", tmp_path / "file" / "folder")
    assert (ran.code, ran.out) == (1, "")
    assert f"error: {tmp_path / 'file'}: " in ran.err
    assert "  next: Check the path" in ran.err
