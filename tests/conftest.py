"""What every test may ask for."""

import json
import logging
import os
import uuid
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import urllib3
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

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
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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


@pytest.fixture
def zoo(tmp_path):
    """An open zoo in a new home."""
    with open_zoo(read_settings(home=tmp_path / "home")) as opened:
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
