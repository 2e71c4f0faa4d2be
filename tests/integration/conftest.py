"""An app over a zoo in a temporary folder; jobs run in this process."""

import hashlib
import io
import json
import shutil
import threading
import wsgiref.simple_server
from pathlib import Path
from socketserver import ThreadingMixIn

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from zoo.commands.main import main
from zoo.domain.checkpoint import Wishes
from zoo.domain.config import DENSE, WEIGHTS
from zoo.domain.job import JobState
from zoo.formats.safetensors import read_safetensors
from zoo.networks.build import build_network, load_weights
from zoo.operations import fetch, jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.import_ import ImportOptions, enqueue_import, prepare_import, stage
from zoo.operations.opening import open_zoo
from zoo.operations.surgery import DenseOptions, enqueue_dense, enqueue_surgery
from zoo.settings import read_settings
from zoo.web.app import create_app
from zoo.worker import finetune
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.verify import verify


def work_off(zoo):
    """Run every job that waits, as a worker does, and return the jobs."""
    done = []
    while attempt := jobs.claim(zoo, worker="the test"):
        run(zoo, Progress(zoo, attempt))
        done.append(jobs.get_job(zoo, attempt.job))
    return done


class Client(FlaskClient):
    """A client that reads every answer to its end, so that the file it came from is closed."""

    def open(self, *arguments, **options):
        return super().open(*arguments, **{"buffered": True, **options})


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threaded(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


@pytest.fixture(scope="session", autouse=True)
def _builders_of_addresses():
    """Have the apps of all tests share the functions that build their addresses.

    Compiling them is seven tenths of what an app takes to be made. They know of nothing but their
    rule, so those of one app are those of the next.
    """
    usual, known = Rule._compile_builder, {}

    def compile_once(rule, append_unknown=True):  # noqa: FBT002  # as werkzeug has it
        if rule.defaults:  # which converters of the app have a part in
            return usual(rule, append_unknown)
        key = rule.rule, *rule._trace, append_unknown
        if key not in known:
            known[key] = usual(rule, append_unknown)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(scope="session")
def _stocked(tmp_path_factory, starter, digits):
    """A home with the model lenet, the dataset digits, and lenet-digits fine-tuned on it."""
    home = tmp_path_factory.mktemp("stocked")
    with open_zoo(read_settings(home=home)) as zoo:
        prepared = prepare_import(zoo, stage(zoo, starter), ImportOptions(name="lenet"))
        enqueue_import(zoo, prepared)
        work_off(zoo)
        dataset = add_dataset(zoo, digits)
        enqueue_finetune(zoo, "lenet", dataset.address)
        work_off(zoo)
    return home


@pytest.fixture
def home(tmp_path):
    """The home of an empty zoo."""
    return tmp_path / "home"


@pytest.fixture
def stocked(_stocked, home):
    """A copy of the home with the models lenet and lenet-digits and the dataset digits."""
    shutil.copytree(_stocked, home)
    return home


@pytest.fixture
def make_app(home, _migrated):
    """A function that gives an app over the home with some settings."""
    made = []

    def make(**settings):
        if not home.exists() and "database_url" not in settings:
            shutil.copytree(_migrated, home)
        app = create_app(read_settings(home=home, **settings))
        app.test_client_class = Client
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["zoo"].catalog.close()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def work(app):
    """A function that runs every waiting job of the app's zoo in this process."""
    return lambda: work_off(app.extensions["zoo"])


@pytest.fixture(scope="session")
def work_off_jobs():
    """A function that runs every waiting job of a zoo in this process."""
    return work_off


@pytest.fixture
def upload(client):
    """A function that uploads files, given as (path, bytes), the way curl -F file=@PATH does."""

    def send(model, *files, **form):
        parts = [(io.BytesIO(data), path) for path, data in files]
        return client.post(f"/v1/models/{model}/revisions", data={"file": parts, **form})

    return send


@pytest.fixture
def package(starter):
    """The files of the starter package by name."""
    return {path.name: path.read_bytes() for path in sorted(starter.iterdir())}


@pytest.fixture
def picture(digits):
    """A picture of a 7."""
    return min((digits / "7").iterdir())


@pytest.fixture
def sha256():
    return lambda data: hashlib.sha256(data).hexdigest()


class Ran:
    """What a command left behind."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


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
def zoo_cli(home, monkeypatch, capsys):
    """A function that runs a command in this process and gives its exit code and output."""
    monkeypatch.setenv("ZOO_HOME", str(home))

    def command(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        return Ran(exit_info.value.code, *capsys.readouterr())

    return command


@pytest.fixture
def docs():
    """The text of every page of docs/, by name."""
    folder = Path(__file__).resolve().parents[2] / "docs"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


class Surgeon:
    """Imports models and operates on them; jobs run in this process."""

    def __init__(self, zoo):
        self.zoo = zoo

    def work(self, job):
        """Run a job and give how it ended."""
        attempt = jobs.claim(self.zoo, worker="the test", number=job.id)
        run(self.zoo, Progress(self.zoo, attempt))
        return jobs.get_job(self.zoo, job.id)

    def published(self, job):
        """Run a job that has to succeed, and give the revision that came of it."""
        done = self.work(job)
        assert done.state is JobState.SUCCEEDED, done.error
        return fetch.get_revision(self.zoo, done.result["revision"])

    def bring(self, name, path, **wishes):
        """Import a file or folder."""
        options = ImportOptions(name=name, wishes=Wishes(**wishes))
        return self.published(
            enqueue_import(self.zoo, prepare_import(self.zoo, stage(self.zoo, path), options))
        )

    def dense(self, model, **options):
        """Make a model dense."""
        return self.published(enqueue_dense(self.zoo, model, DenseOptions(**options)))

    def operate(self, model, surgery, **options):
        """Do another surgery."""
        return self.published(enqueue_surgery(self.zoo, model, surgery, **options))

    def refusal(self, job):
        """Run a job that has to fail, and give its error."""
        done = self.work(job)
        assert done.state is JobState.FAILED, done.result
        return done.error["error"]

    def path(self, revision, name):
        """Give where a revision's file lies."""
        return fetch.get_file(self.zoo, revision, name)[1]

    def told(self, revision):
        """Read a revision's dense.json."""
        return json.loads(self.path(revision, DENSE).read_bytes())

    def rebuilt(self, revision):
        """Build a network of what was published of it, and nothing else."""
        paths = fetch.verified_files(self.zoo, revision)
        network = build_network(fetch.read_config(self.zoo, revision).recipe, paths)
        load_weights(network, read_safetensors(paths[WEIGHTS]))
        return network

    def unsound(self, revision):
        """List what `zoo verify` finds wrong."""
        return [check for check in verify(self.zoo, revision) if not check.is_sound]


@pytest.fixture
def surgeon(stocked):
    """A surgeon in the stocked zoo."""
    with open_zoo(read_settings(home=stocked)) as zoo:
        yield Surgeon(zoo)


@pytest.fixture
def anew(monkeypatch):
    """The names of the models that torch had a part in."""
    seen = []
    usual = finetune.run

    def watched(zoo, job, progress):
        seen.append(job.params["name"])
        usual(zoo, job, progress)

    monkeypatch.setattr(finetune, "run", watched)
    return seen
