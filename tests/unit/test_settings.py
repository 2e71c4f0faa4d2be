"""Settings: which source wins, what is refused, and that another process reads the same."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from zoo.errors import BadSetting
from zoo.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _empty_places(tmp_path, monkeypatch):
    """Work in an empty folder, as a user with an empty home."""
    (tmp_path / "work").mkdir()
    (tmp_path / "user" / ".config" / "zoo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


def write_users(text):
    Path("~/.config/zoo/zoo.toml").expanduser().write_text(text)


def write_local(text):
    Path("zoo.toml").write_text(text)


def test_without_sources_the_defaults_hold():
    assert read_settings().port == 8080


def test_the_home_is_in_the_users_folder():
    assert read_settings().home == Path("~/.zoo").expanduser()


def test_the_users_file_wins_over_the_default():
    write_users("port = 1")
    assert read_settings().port == 1


def test_the_local_file_wins_over_the_users():
    write_users("port = 1\nweb_threads = 3")
    write_local("port = 2")
    assert (read_settings().port, read_settings().web_threads) == (2, 3)


def test_a_variable_wins_over_the_files(monkeypatch):
    write_local("port = 2")
    monkeypatch.setenv("ZOO_PORT", "3")
    assert read_settings().port == 3


def test_what_is_given_wins_over_all(monkeypatch):
    monkeypatch.setenv("ZOO_PORT", "3")
    assert read_settings(port=4).port == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("port", "65536"),
        ("web_threads", "0"),
        ("device", "tpu"),
        ("lease_s", "0"),
        ("served_bytes", "-1"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(monkeypatch, name, value):
    monkeypatch.setenv(f"ZOO_{name.upper()}", value)
    with pytest.raises(BadSetting, match=name) as caught:
        read_settings()
    assert caught.value.detail == {"name": name}


def test_a_list_is_given_as_json(monkeypatch):
    monkeypatch.setenv("ZOO_TRUSTED_HOSTS", '["zoo.example.org"]')
    assert read_settings().trusted_hosts == ("zoo.example.org",)


def test_a_list_that_is_no_json_is_refused_by_its_name(monkeypatch):
    monkeypatch.setenv("ZOO_TRUSTED_HOSTS", "zoo.example.org")
    with pytest.raises(BadSetting, match="trusted_hosts") as caught:
        read_settings()
    assert "as JSON" in caught.value.hint


def test_an_unknown_key_of_a_file_is_refused_by_its_name():
    write_local("prot = 8081")
    with pytest.raises(BadSetting, match="prot"):
        read_settings()


def test_a_variable_that_is_no_setting_is_let_be(monkeypatch):
    monkeypatch.setenv("ZOO_KEEPER", "Ada")
    assert read_settings() == read_settings()


@pytest.mark.parametrize("text", ["port =", "port = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_refused(text):
    write_local(text)
    with pytest.raises(BadSetting, match=r"zoo\.toml cannot be read"):
        read_settings()


def test_a_file_that_is_no_text_is_refused():
    Path("zoo.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=r"zoo\.toml cannot be read"):
        read_settings()


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        read_settings().port = 1


@pytest.mark.parametrize(("given", "place"), [("shelf", "work/shelf"), ("~/zoo", "user/zoo")])
def test_a_home_is_made_absolute(tmp_path, given, place):
    assert read_settings(home=given).home == tmp_path / place


def test_a_process_that_is_handed_the_settings_reads_the_same(monkeypatch):
    settings = read_settings(
        home="elsewhere",
        port=0,
        lease_s=0.5,
        device="cpu",
        worker_slots=0,
        trusted_hosts=("a", "b"),
    )
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_the_catalog_lies_in_the_home_unless_told_otherwise():
    assert read_settings(database_url="postgresql:///zoo").catalog_url == "postgresql:///zoo"
    assert read_settings(home="/srv/zoo").catalog_url == "sqlite:////srv/zoo/zoo.db"


@pytest.mark.parametrize("home", ["/srv/what?/zoo", "/srv/100%25/zoo", "/srv/a b#c/zoo", "/srv/ö"])
def test_the_catalog_lies_in_the_home_however_that_is_called(home):
    assert make_url(read_settings(home=home).catalog_url).database == f"{home}/zoo.db"


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
