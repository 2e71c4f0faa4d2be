"""Every verb does the same in the zoo of this machine and, over a socket, in another one.

Each is given twice over two copies of one home: once with ``--at``, and once without. What is
printed and how the command ends must be the same to the letter, and so must what it changed.
"""

import re
import shutil
import threading
import wsgiref.simple_server
from socketserver import ThreadingMixIn

import pytest

from zoo.operations.access import list_audit
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.web.app import create_app


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threaded(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


@pytest.fixture
def listen():
    """A function that has an app answer on a socket, and gives its address."""
    servers = []

    def start(app):
        server = wsgiref.simple_server.make_server(
            "127.0.0.1", 0, app, server_class=Threaded, handler_class=Quiet
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def far_home(_stocked, tmp_path):
    """A second home with the same content as the stocked one."""
    shutil.copytree(_stocked, tmp_path / "far")
    return tmp_path / "far"


@pytest.fixture
def make_far(far_home, listen):
    """A function that serves the second home with some settings, and gives its address."""
    apps = []

    def make(**settings):
        app = create_app(read_settings(home=far_home, **settings))
        apps.append(app)
        return listen(app)

    yield make
    for app in apps:
        app.extensions["zoo_counts"].close()
        app.extensions["zoo"].catalog.close()


@pytest.fixture
def far(make_far):
    return make_far()


TIMES = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?|\d\d:\d\d:\d\d")


def without_times(text):
    return TIMES.sub("TIME", text)


@pytest.fixture
def both(zoo_cli, stocked, far, tmp_path, monkeypatch):
    """A function that gives a command here and there, and what it said, which has to be one."""
    assert stocked != far

    def command(*arguments):
        said = []
        for at in ((), ("--at", far)):
            folder = tmp_path / ("there" if at else "here")
            folder.mkdir(exist_ok=True)
            monkeypatch.chdir(folder)
            ran = zoo_cli(*arguments, *at)
            said.append((ran.code, without_times(ran.out), without_times(ran.err)))
        assert said[1] == said[0]
        return ran

    return command


LOOKING = [
    "list",
    "list --json",
    "show lenet",
    "show lenet-digits --json",
    "show lenet-digits:main --files",
    "show lenet-digits --card",
    "show lenet --layers",
    "show lenet --layers --json",
    "show lenet --history",
    "diff lenet lenet-digits",
    "diff lenet lenet-digits --json",
    "lineage lenet-digits",
    "lineage lenet --json",
    "stats",
    "stats --json",
    "stats lenet",
    "stats lenet --json",
    "refs list lenet",
    "refs list lenet --json",
    "refs list lenet --moves",
    "filters lenet",
    "filters lenet --json",
    "filters lenet --layer conv1 --json",
    "filters lenet-digits --against parent",
    "filters lenet-digits --against lenet --json",
    "filters lenet-digits --against parent --layer ip1",
    "filters lenet -o filters.png",
    "filters lenet -o filters.png --layer conv2 --scaling own --json",
    "export lenet",
    "export lenet-digits --format safetensors -o folder",
    "jobs",
    "jobs --json",
    "jobs show 1",
    "jobs show 2 --json",
    "jobs follow 2",
    "jobs follow 2 --json",
    "audit --limit 5",
    "audit --json",
    "accounts",
    "accounts usage",
    "accounts usage --json",
    "tokens",
    "tokens --json",
    "sweep --dry-run --json",
]


@pytest.mark.parametrize("line", LOOKING)
def test_looking_shows_the_same(both, line, tmp_path):
    assert both(*line.split()).code == 0
    written = [
        {path.relative_to(tmp_path / where): path.read_bytes() for path in found if path.is_file()}
        for where in ("here", "there")
        for found in [(tmp_path / where).rglob("*")]
    ]
    assert written[0] == written[1]
    assert bool(written[0]) == (" -o " in line or line.startswith("export"))


def test_predictions_are_the_same(both, picture, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    odd = tmp_path / 'a "b" ü;.png'
    shutil.copy(picture, odd)
    assert both("predict", "lenet-digits", picture, odd, "--top", "2").code == 0
    assert both("predict", "lenet-digits:main", odd, "--json").json[0]["picture"] == str(odd)
    for model, path, code in (
        ("nothing", picture, 3),
        ("lenet", tmp_path / "missing.png", 3),
        ("lenet", tmp_path / "no.png", 1),
        ("lenet", tmp_path, 1),
    ):
        assert both("predict", model, path).code == code


WRONG = [
    ("show nothing", 3),
    ("show lenett", 3),
    ("show lenet:v9 --json", 3),
    ("show lenet:a/b", 3),
    ("show x--y", 1),
    ("show lenet@zz..", 3),
    ("diff lenet nothing", 3),
    ("lineage nothing --json", 3),
    ("stats nothing", 3),
    ("refs list nothing", 3),
    ("refs tag lenet main", 1),
    ("refs tag lenet a..b", 1),
    ("refs tag nothing v1", 3),
    ("refs alias lenet production --to nothing", 3),
    ("refs alias lenet main", 1),
    ("refs protect lenet nothing", 3),
    ("refs delete lenet nothing", 3),
    ("refs delete lenet ..", 3),
    ("refs delete lenet main", 1),
    ("rename nothing other", 3),
    ("rename lenet lenet-digits", 1),
    ("rename lenet x--y", 1),
    ("hide nothing", 3),
    ("delete nothing", 3),
    ("delete lenet", 1),
    ("restore nothing", 3),
    ("filters nothing", 3),
    ("filters lenet --layer conv --json", 3),
    ("filters lenet --layer conv -o x.png", 3),
    ("filters lenet --against parent", 3),
    ("export nothing", 3),
    ("export lenet:nothing", 3),
    ("jobs show 99", 3),
    ("jobs cancel 99 ", 3),
    ("jobs follow 99", 3),
    ("tokens revoke 7", 3),
    ("tokens create local", 1),
    ("tokens create ada --days 0", 1),
    ("accounts grant a--b --owner lab --role read", 1),
    ("accounts grant ada --owner a--b --role read", 1),
    ("accounts withdraw ada --owner lab", 3),
    ("accounts quota a--b", 1),
]


@pytest.mark.parametrize(("line", "code"), WRONG, ids=[line for line, _ in WRONG])
def test_what_cannot_be_is_refused_in_the_same_words(both, line, code):
    ran = both(*line.split())
    assert ran.code == code
    assert ran.err.count("\n") == 2


CHANGES = [
    ["rename lenet lab/net", "show lenet", "list"],
    ["hide lenet", "hide lenet --public"],
    ["delete lenet-digits", "show lenet-digits", "restore lenet-digits", "show lenet-digits"],
    ["delete lenet-digits", "delete lenet", "sweep", "list --json"],
    ["refs tag lenet v1", "refs alias lenet prod/eu --to v1", "show lenet:prod/eu --files"],
    ["refs alias lenet production", "filters lenet:production", "export lenet:production"],
    ["refs tag lenet v1", "refs protect lenet v1", "refs list lenet --json", "delete lenet"],
    ["refs tag lenet v1", "refs protect lenet v1", "refs protect lenet v1 --off"],
    ["refs tag lenet v1", "refs tag lenet v1", "refs delete lenet v1", "refs list lenet --moves"],
    ["refs alias lenet p --expected x", "refs alias lenet p", "refs alias lenet p --expected x"],
    ["tokens create ada --role read --owner lab --label mine --days 9", "tokens revoke 1"],
    ["accounts grant ada --owner lab --role write", "accounts", "accounts --json"],
    ["accounts grant ada --owner lab --role write", "accounts withdraw ada --owner lab"],
    [
        "accounts quota lab --bytes 5000 --models 3",
        "accounts usage",
        "accounts quota lab --default",
    ],
]


@pytest.mark.parametrize("lines", CHANGES, ids=" ; ".join)
def test_changes_are_the_same(both, lines, stocked, far_home):
    for line in lines:
        if line.startswith("tokens create"):
            with pytest.raises(AssertionError, match="zoo_"):  # Secrets are drawn.
                both(*line.split())
            continue
        both(*line.split())
    assert audit_of(far_home) == audit_of(stocked)


def audit_of(home):
    with open_zoo(read_settings(home=home)) as zoo:
        return [(one.action, one.subject, one.detail) for one in list_audit(zoo, limit=1000)]
