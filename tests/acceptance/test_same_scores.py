"""A picture scores the same wherever it is asked for: torch, terminal, /v1, /v2."""

import csv
import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.domain.config import WEIGHTS
from zoo.domain.dataset import Split
from zoo.formats.safetensors import read_safetensors
from zoo.images.prepare import read_picture
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image
from zoo.operations import datasets, evaluate, fetch
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.data
TOLERANCE = 1e-3
MODEL = "squeezenet"
HEADER = "Inference-Header-Content-Length"


@pytest.fixture
def pictures(shared_data):
    """The files of every sample picture."""
    folder = shared_data / "images" / "imagenet_sample"
    with (folder / "labels.csv").open(newline="") as file:
        return [folder / row["file"] for row in csv.DictReader(file)]


def post(url, data, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, headers=named)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, answer.read()


def of_v1(url, file):
    _, body = post(f"{url}/v1/models/{MODEL}/predict?top=1000", file)
    scores = json.loads(body)["predictions"][0]["scores"]
    return [one["probability"] for one in sorted(scores, key=lambda one: one["index"])]


def of_v2(url, body):
    headers, answer = post(f"{url}/v2/models/{MODEL}/infer", body, **{HEADER: "0"})
    return np.frombuffer(answer[int(headers[HEADER]) :], "<f4")


def of_torch(zoo, revision, arrays):
    """What evaluation says while a network is trained: torch on the same arrays."""
    paths = fetch.verified_files(zoo, revision)
    config, weights = fetch.read_config(zoo, revision), read_safetensors(paths[WEIGHTS])
    network = build_network(config.recipe, paths)
    load_weights(network, weights)
    mean = find_mean_image(config.preprocessing, weights)
    classifier = Classifier(network, config.preprocessing, mean)
    return np.stack([classifier.probabilities(array[None])[0] for array in arrays])


def as_dataset(folder, pictures, labels):
    """Lay the pictures out as what is measured on, and their mirror images as what is learned."""
    for path in pictures:
        label = labels[int(path.name[:4])]
        for split in ("train", "val"):
            (folder / "samples" / split / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "samples" / "val" / label)
        with Image.open(path) as image:
            mirrored = image.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mirrored.save(folder / "samples" / "train" / label / path.name)
    return folder / "samples"


def best_of_eval(zoo, folder):
    """What `zoo eval` says of each picture: how probable its best class is."""
    dataset = datasets.add_dataset(zoo, folder)
    evaluation = evaluate.evaluate(zoo, MODEL, dataset.address, Split.VAL)
    return {Path(one.picture.path).name: one.probability for one in evaluation.said}


def test_squeezenet_scores_every_sample_picture_the_same_everywhere(
    real_zoo, shared_data, pictures, serve_real, tmp_path
):
    if real_zoo("show", MODEL).code != 0:
        real_zoo.ok("import", shared_data / "models" / "squeezenet_v1.0")
    told = real_zoo.ok("predict", MODEL, "--json", "--top", 1000, *pictures).json
    by_index = [sorted(one["scores"], key=lambda one: one["index"]) for one in told]
    found = {"zoo predict": [[one["probability"] for one in row] for row in by_index]}
    with open_zoo(read_settings(home=real_zoo.home)) as zoo:
        revision = fetch.get_revision(zoo, MODEL)
        preprocessing = fetch.read_config(zoo, revision).preprocessing
        arrays = [
            read_picture(path, preprocessing, name=path.name, max_pixels=10**8) for path in pictures
        ]
        found["torch"] = of_torch(zoo, revision, arrays)
        folder = as_dataset(tmp_path, pictures, fetch.read_config(zoo, revision).label_names)
        evaluated = best_of_eval(zoo, folder)
    with serve_real() as server:
        url = server.url
        files = [path.read_bytes() for path in pictures]
        found["/v1"] = [of_v1(url, file) for file in files]
        found["/v2 with the file"] = [of_v2(url, file) for file in files]
        found["/v2 with the tensor"] = [of_v2(url, array.tobytes()) for array in arrays]
    expected = np.array(found.pop("torch"))
    assert expected.shape == (200, 1000)
    for path, row in zip(pictures, expected, strict=True):
        assert abs(evaluated[path.name] - row.max()) <= TOLERANCE, path.name
    for where, rows in found.items():
        scores = np.array(rows)
        assert np.abs(scores - expected).max() <= TOLERANCE, where
        assert (scores.argmax(axis=1) == expected.argmax(axis=1)).all(), where
