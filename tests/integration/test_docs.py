"""What a user reads tells everything there is, by its name, and nothing that is not."""

import re
from pathlib import Path

import pytest
import yaml

from zoo.catalog.claiming import MOST_PASSED
from zoo.commands.main import EXIT, USAGE
from zoo.commands.table import COMMANDS
from zoo.domain.job import JobKind, JobState
from zoo.domain.retries import POLICIES
from zoo.settings import Settings
from zoo.web.answers import STATUS
from zoo.web.reference import told_rules

README = Path(__file__).resolve().parents[2] / "README.md"

NUMBERS = {8: "eight"}
METHODS = ("GET ", "POST ", "PUT ", "PATCH ", "DELETE ")


def rows(page):
    """Give the cells of a page's tables, their code marks taken off."""
    for line in page.splitlines():
        if line.startswith("|"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_every_setting_is_told_with_its_default_and_meaning(docs):
    told = {row[0]: row[1:] for row in rows(docs["settings"]) if row[0].startswith("ZOO_")}
    defaults = Settings.model_construct().as_environment()
    assert told == {
        variable: [defaults[variable], field.description]
        for name, field in Settings.model_fields.items()
        for variable in [f"ZOO_{name.upper()}"]
    }


def test_every_command_is_told_in_the_words_of_its_help(docs):
    told = {row[0]: row[1] for row in rows(docs["settings"]) if row[0].startswith("zoo ")}
    assert told == {f"zoo {name}": meaning for name, (_, meaning) in COMMANDS.items()}


def test_every_exit_code_is_told(docs):
    told = {int(row[0]) for row in rows(docs["settings"]) if row[0].isdigit()}
    assert told == {0, USAGE, *EXIT.values()}


def test_every_route_is_told(app, docs):
    told = {row[0] for row in rows(docs["rest"]) if row[0].startswith(METHODS)}
    routes = {
        f"{method} {re.sub(r'<[a-z]+:', '<', rule.rule)}"
        for rule, _ in told_rules(app)
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert told == routes


def test_every_status_is_told(docs):
    told = {int(row[0]) for row in rows(docs["rest"]) if row[0].isdigit()}
    assert set(STATUS.values()) <= told


@pytest.mark.parametrize(
    "page",
    [
        "access",
        "concepts",
        "dense",
        "filters",
        "finetune",
        "formats",
        "hub",
        "jobs",
        "kubernetes",
        "laptop",
        "one-server",
        "pages",
        "predict",
        "quantize",
        "registry",
        "rest",
        "serving",
        "settings",
        "several-machines",
        "sizing",
    ],
)
def test_the_readme_leads_to_every_page(docs, page):
    assert page in docs
    assert f"(docs/{page}.md)" in README.read_text(encoding="utf-8")


def test_the_page_of_jobs_tells_every_state_and_how_often_each_kind_is_tried(docs):
    told = {row[0]: row[1:] for row in rows(docs["jobs"]) if len(row) > 1}
    states = {name.strip("` ") for row in told for name in row.split(",")}
    assert {state.value for state in JobState} <= states
    assert {kind.value: told.get(kind.value) for kind in JobKind} == {
        kind.value: [f"{policy.most_lost} attempts", f"{policy.most_retries} times"]
        for kind, policy in POLICIES.items()
    }
    assert f"only {NUMBERS[MOST_PASSED]}\nmay" in docs["jobs"]


def test_commands_that_are_shown_are_there(docs):
    texts = [README.read_text(encoding="utf-8"), *docs.values()]
    named = re.compile(r"(?:^|`)zoo ([a-z][a-z-]+)", re.MULTILINE)
    shown = {found for text in texts for found in named.findall(text)}
    assert shown
    assert shown <= set(COMMANDS)


def test_the_table_of_dense_networks_has_a_row_for_each_that_its_command_measures(docs):
    command = (README.parent / "benchmarks" / "dense_table.py").read_text(encoding="utf-8")
    table = docs["dense"].partition("<!-- the table begins -->")[2].partition("<!--")[0]
    measured = re.findall(r'^    "(\w+)": \d+,$', command, re.MULTILINE)
    assert len(measured) >= 14
    assert [name for name in measured if f" {name} |" not in table] == []


def test_the_containers_are_told_settings_and_commands_that_there_are():
    told = yaml.safe_load((README.parent / "docs" / "compose.yaml").read_text(encoding="utf-8"))
    variables = {f"ZOO_{name.upper()}" for name in Settings.model_fields}
    services = told["services"].values()
    named = {name for one in services for name in one.get("environment", {})}
    assert {name for name in named if name.startswith("ZOO_")} <= variables
    assert "ZOO_RAY_ADDRESS" in named
    commands = " ".join(" ".join(one.get("command", [])) for one in services)
    run = set(re.findall(r"\bzoo ([a-z-]+)", commands))
    assert run == {"serve", "worker"}
    assert {volume for one in services for volume in _volumes(one)} == set(told["volumes"])


def _volumes(service):
    return [volume.partition(":")[0] for volume in service.get("volumes", [])]
