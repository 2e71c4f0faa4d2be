"""What every test may ask for."""

import contextlib
import fcntl
import gc
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import urllib3
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text, util
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from zoo.catalog import database
from zoo.domain.geometry import Geometry, Side
from zoo.domain.preprocessing import Preprocessing, Resize
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

# No property depends on how fast the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres?connect_timeout=2"


def pytest_collection_finish():
    """Have collections of garbage walk neither what is collected of tests nor all else so often.

    They were a third of the CPU time of tests that make apps: a process that has collected all
    tests holds a million objects, and each app adds thousands that stay until its test is over.
    """
    gc.freeze()
    gc.set_threshold(5_000, 10, 20)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real checkpoints and pictures; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("ZOO_TEST_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ZOO_TEST_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch, tmp_path_factory):
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith("ZOO_") and not name.startswith("ZOO_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))


class Statements(util.LRUCache):
    """What statements became in SQL, whichever of many like engines asks first."""

    def get(self, key, default=None):
        return super().get(key[1:], default)

    def __setitem__(self, key, compiled):
        super().__setitem__(key[1:], compiled)  # The first part is the dialect of one engine.


@pytest.fixture(scope="session", autouse=True)
def _statements_of_sqlite():
    """Have the catalogs of all tests that lie in SQLite share what their statements became.

    Each would compile the same ones anew, a sixth of the CPU time of tests that make apps.
    """
    make, statements = database._make_engine, Statements(5000)

    def make_engine(url, lease_s):
        engine = make(url, lease_s)
        if engine.dialect.name == "sqlite":
            engine.update_execution_options(compiled_cache=statements)
        return engine

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(database, "_make_engine", make_engine)
        yield


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL database that may be written to; tests that need it are skipped elsewhere."""
    url = make_url(os.environ.get("ZOO_TEST_POSTGRES", POSTGRES))
    try:
        engine = create_engine(url)
        engine.connect().close()
        engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        if "ZOO_TEST_POSTGRES" in os.environ:
            raise
        said = str(error).splitlines()[0]
        pytest.skip(f"no PostgreSQL at {url}; set ZOO_TEST_POSTGRES ({said})")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request):
    """The URL of an empty database, once for each that a catalog may lie in."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def sqlite_url(tmp_path):
    """The URL of a file that is not there yet."""
    return f"sqlite:///{tmp_path / 'catalog.db'}"


@pytest.fixture
def postgresql_url(postgresql_server):
    """The URL of a schema of its own, gone afterwards."""
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        own = postgresql_server.update_query_dict({"options": f"-csearch_path={schema}"})
        yield own.render_as_string(hide_password=False)
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(scope="session")
def s3_server():
    """The address of a service that speaks as S3 does, in a thread of this process."""
    # boto3, which moto stands on, is slow to import.
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    served = server._server.app

    def unmeasured(*request):
        sys.settrace(None)  # Coverage of moto would cost as much again; each request has a thread.
        return served(*request)

    server._server.app = unmeasured
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class RayCluster:
    """Nodes of a Ray cluster on loopback, each with all its processes."""

    def __init__(self, folder, mark="", address=""):
        self.folder = folder  # a short one: paths of sockets may have some hundred characters
        self.mark = mark or f"ZOO_TEST_NODE={uuid.uuid4().hex}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = address or f"127.0.0.1:{free.getsockname()[1]}"
        self.started = 0

    def start_head(self, *, cpus=2):
        port = self.address.rpartition(":")[2]
        arguments = "--head", f"--port={port}", "--include-dashboard=false"
        self.start_node(*arguments, name="head", cpus=cpus)

    def start_node(self, *arguments, name=None, cpus=2):
        """Start a node, and return the name that `pids` knows it by."""
        self.started += 1
        name = name or f"node{self.started}"
        given = arguments or [f"--address={self.address}"]
        mark, _, value = self.mark.partition("=")
        # Ray lets everything else on the machine go before its workers, at a niceness of 15.
        own = {
            "RAY_TMPDIR": self.folder,
            "RAY_worker_niceness": "0",
            mark: f"{value}-{name}",
        }
        # Coverage would measure Ray's own processes.
        other = ("RAY_", "COV")
        environment = {key: one for key, one in os.environ.items() if not key.startswith(other)}
        subprocess.run(
            [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                "start",
                *given,
                "--node-ip-address=127.0.0.1",
                f"--num-cpus={cpus}",
                "--object-store-memory=80000000",
                "--disable-usage-stats",
            ],
            env=environment | own,
            check=True,
            capture_output=True,
            timeout=300,
        )
        return name

    def pids(self, name="", kind=""):
        """Find the processes of a node, or of all, whose command line has a word."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                marked = f"{self.mark}-{name}".encode() in (folder / "environ").read_bytes()
                if marked and kind.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def kill(self, name="", kind=""):
        """SIGKILL processes, and wait until they are gone."""
        found = self.pids(name, kind)
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        while set(found) & set(self.pids(name, kind)):
            time.sleep(0.02)
        return found

    def close(self):
        while self.pids():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def own_ray_cluster():
    """A Ray cluster to be harmed: its head runs no jobs, its one other node does."""
    cluster = RayCluster(tempfile.mkdtemp(prefix="zr", dir="/tmp"))
    try:
        cluster.start_head(cpus=0)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory):
    """A Ray cluster of two nodes that no test harms, one for all processes that run tests."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    told = folder / "ray-cluster.json"
    with (folder / "ray-users").open("w") as users, (folder / "ray-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if told.exists():
            cluster = RayCluster(**json.loads(told.read_text()))
        else:
            cluster = RayCluster(tempfile.mkdtemp(prefix="zr", dir="/tmp"))
            cluster.start_head()
            cluster.start_node()
            kept = {"folder": cluster.folder, "mark": cluster.mark, "address": cluster.address}
            told.write_text(json.dumps(kept))
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield cluster
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        with contextlib.suppress(BlockingIOError):  # Others use it still.
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told.unlink()
            cluster.close()


@pytest.fixture
def s3_keys(monkeypatch):
    """Keys that moto's service takes, as it takes all."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def s3_settings(s3_server, s3_keys):  # noqa: ARG001  # whoever asks shows the keys
    """Settings of a store in a bucket of its own."""
    bucket = f"zoo-{uuid.uuid4().hex}"
    pool = urllib3.PoolManager()
    assert pool.request("PUT", f"{s3_server}/{bucket}").status == 200
    pool.clear()
    return {"store": f"s3://{bucket}/models", "store_endpoint": s3_server}


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory):
    """A home that holds no more than its catalog, at the schema of now."""
    home = tmp_path_factory.mktemp("migrated") / "home"
    with open_zoo(read_settings(home=home)):
        pass
    return home


@pytest.fixture
def new_home(_migrated, tmp_path):
    """The home of an empty zoo, which took a twentieth of what its migrations take.

    One that another fixture has stocked stays as it is.
    """
    home = tmp_path / "home"
    return home if home.exists() else shutil.copytree(_migrated, home)


@pytest.fixture
def zoo(new_home):
    """An open zoo in a new home."""
    with open_zoo(read_settings(home=new_home)) as opened:
        yield opened


@pytest.fixture(scope="session")
def starter():
    """The folder of the package that is part of every installation: a LeNet of the digits 0-4."""
    return Path(str(files("zoo"))) / "starter" / "lenet-digits"


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder of class folders: ten pictures of each of the digits 5 to 9."""
    from zoo.training.digits import write_digits  # noqa: PLC0415  # scikit-learn is slow to import

    every = tmp_path_factory.mktemp("all-digits")
    write_digits(every, range(5, 10))
    folder = tmp_path_factory.mktemp("digits") / "digits"
    for label in range(5, 10):
        (folder / str(label)).mkdir(parents=True)
        for picture in sorted((every / str(label)).iterdir())[:10]:
            picture.rename(folder / str(label) / picture.name)
    return folder


def write_colour_map(*, labels=("red", "green", "blue"), cell_px=4, whole_picture=()):
    """Write a dense graph whose cells say how much of each colour their square of pixels has."""
    # onnx is slow to import, and few tests write graphs.
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    side = Side(stride_px=cell_px, window_px=cell_px, start_px=0, shift_px=0, smallest_px=cell_px)
    square = cell_px, cell_px
    geometry = Geometry(height=side, width=side, native_px=square, whole_picture=whole_picture)
    preprocessing = Preprocessing(resize=Resize.SQUASH, resize_px=cell_px, crop_px=square)
    told = {
        "labels": labels,
        "preprocessing": preprocessing.as_json(),
        "dense": geometry.as_json(),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["colours"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["colours"], ["means"], kernel_shape=square, strides=square
        ),
        helper.make_node("Div", ["means", "most"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["n", len(labels), "rows", "columns"]
            )
        ],
        [numpy_helper.from_array(np.array(255, np.float32), "most")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {f"zoo.{key}": json.dumps(one) for key, one in told.items()})
    return model.SerializeToString()


@pytest.fixture(scope="session")
def colour_map():
    """A function that writes a dense graph: how much of each colour the cells of a picture have."""
    return write_colour_map
