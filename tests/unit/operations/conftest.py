"""Pictures, datasets and revisions to operate on."""

import hashlib
from io import BytesIO

import pytest
from PIL import Image

from zoo.operations.publish import Publication, publish


def make_png(number):
    """Make the bytes of a small picture, another for each number."""
    buffer = BytesIO()
    Image.new("RGB", (4, 3), (number % 256, number // 256, 100)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def png():
    return make_png


@pytest.fixture
def insects(tmp_path):
    """Write a folder of class folders with so many different pictures each."""

    def write(folder="insects", start=0, **counts):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        number = start
        for label, count in counts.items():
            (tmp_path / folder / label).mkdir(exist_ok=True)
            for _ in range(count):
                number += 1
                path = tmp_path / folder / label / f"{number}.png"
                path.write_bytes(make_png(number))
        return tmp_path / folder

    return write


@pytest.fixture
def published(zoo):
    """Publish a revision with these files: path to text or bytes."""

    def published(model="net", **more):
        files = more.pop("files", {"README.md": f"# {model}"})
        blobs = {
            path: zoo.blobs.put([text.encode() if isinstance(text, str) else text])
            for path, text in files.items()
        }
        return publish(zoo, Publication(model=model, files=blobs, message="", **more))

    return published


@pytest.fixture
def digest_of():
    return lambda data: hashlib.sha256(data).hexdigest()
