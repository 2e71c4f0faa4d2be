"""Bad input through the real command: one clear error, a next step, nothing half-written."""

import os
import resource
import shutil
import subprocess
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("imported")
QUICK_LEASE = {"ZOO_LEASE_S": "5"}
LONG_S = 600  # more than a command takes on the slowest machine
LONG_LEASE = {"ZOO_LEASE_S": str(LONG_S)}


@pytest.fixture(autouse=True)
def _the_zoo_still_works(zoo_command, check_store, imported, digits):
    """After each test the zoo holds what it held, and predicts."""
    before = check_store()
    yield
    assert check_store() == before
    assert {path.name for path in imported.iterdir()} <= {
        "blobs",
        "cache",
        "logs",
        "migrate.lock",
        "zoo.db",
        "zoo.db-shm",
        "zoo.db-wal",
    }
    zoo_command.ok("predict", "lenet", min((digits / "5").iterdir()))


@pytest.fixture
def package(starter, tmp_path):
    """A copy of the starter package without its readme, whose SHA-1 would be the first to tell."""
    folder = tmp_path / "package"
    shutil.copytree(starter, folder)
    (folder / "readme.md").unlink()
    return folder


@pytest.fixture
def pictures(digits, tmp_path):
    """A copy of the digits 5 and 6 to spoil."""
    folder = tmp_path / "pictures"
    for label in ("5", "6"):
        shutil.copytree(digits / label, folder / label)
    return folder


def refuse(ran, code=1):
    """Check how a command was refused and give the line that says why."""
    assert (ran.code, ran.out) == (code, "")
    assert "Traceback" not in ran.err
    return ran.told


def test_a_truncated_caffemodel(zoo_command, package):
    weights = package / "lenet_digits.caffemodel"
    for length in (0, 100, 9000, weights.stat().st_size - 1):
        weights.write_bytes(weights.read_bytes()[:length])
        assert "lenet_digits.caffemodel" in refuse(zoo_command("import", package, "--name", "x"))


def test_a_truncated_caffemodel_whose_sha1_is_announced(zoo_command, package, starter):
    shutil.copy(starter / "readme.md", package)
    weights = package / "lenet_digits.caffemodel"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert weights.name in refuse(zoo_command("import", package, "--name", "x"), code=6)


def test_a_prototxt_that_does_not_fit_its_weights(zoo_command, package):
    prototxt = package / "deploy.prototxt"
    prototxt.write_text(prototxt.read_text().replace("num_output: 64", "num_output: 65"))
    assert "ip1" in refuse(zoo_command("import", package, "--name", "x"))


def test_a_prototxt_that_is_none(zoo_command, package):
    (package / "deploy.prototxt").write_text("layer { name: 'conv1'\n")
    assert "deploy.prototxt" in refuse(zoo_command("import", package, "--name", "x"))


def test_a_folder_that_lacks_a_file(zoo_command, package):
    (package / "lenet_digits.caffemodel").unlink()
    assert "caffemodel" in refuse(zoo_command("import", package, "--name", "x"))


def test_a_text_file_named_jpg_to_predict(zoo_command, tmp_path):
    (tmp_path / "cat.jpg").write_text("I am no picture")
    told = refuse(zoo_command("predict", "lenet", tmp_path / "cat.jpg"))
    assert str(tmp_path / "cat.jpg") in told


def test_an_empty_dataset(zoo_command, tmp_path):
    (tmp_path / "empty").mkdir()
    for make in (lambda: None, (tmp_path / "empty" / "cats").mkdir):
        make()
        for command in (["datasets", "add"], ["finetune", "lenet"]):
            told = refuse(zoo_command(*command, tmp_path / "empty"))
            assert str(tmp_path / "empty") in told


def test_a_dataset_without_one_picture(zoo_command, tmp_path):
    for label in ("a", "b"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        (tmp_path / "texts" / label / "1.jpg").write_text("I am no picture")
    assert "a/1.jpg" in refuse(zoo_command("datasets", "add", tmp_path / "texts"))


def test_one_class_only(zoo_command, pictures):
    shutil.rmtree(pictures / "6")
    assert "'5'" in refuse(zoo_command("finetune", "lenet", pictures))


def test_a_class_with_one_picture(zoo_command, pictures):
    for path in sorted((pictures / "6").iterdir())[1:]:
        path.unlink()
    assert "'6'" in refuse(zoo_command("finetune", "lenet", pictures))


def test_a_class_whose_other_pictures_cannot_be_read(zoo_command, pictures):
    for path in sorted((pictures / "6").iterdir())[1:]:
        path.write_text("I am no picture")
    ran = zoo_command("finetune", "lenet", pictures)
    assert (ran.code, ran.out) == (1, "")
    assert "'6'" in ran.told


@pytest.mark.parametrize("name", ["../6/1.png", "/6/1.png", "6/../../1.png"])
def test_a_zip_with_a_member_that_climbs_out(zoo_command, pictures, tmp_path, name):
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in pictures.glob("*/*"):
            file.write(path, path.relative_to(pictures))
        file.writestr(name, next(pictures.glob("*/*")).read_bytes())
    for command in (["datasets", "add"], ["finetune", "lenet"]):
        told = refuse(zoo_command(*command, archive))
        assert str(archive) in told
        assert name in told


def test_an_archive_that_is_none(zoo_command, tmp_path):
    (tmp_path / "pictures.zip").write_text("I am no archive")
    told = refuse(zoo_command("datasets", "add", tmp_path / "pictures.zip"))
    assert str(tmp_path / "pictures.zip") in told


class TestFullDisk:
    """No room for the next file: its process may write no more than 1 MiB into one."""

    @pytest.fixture
    def full(self, zoo_command):
        limit = (2**20, 2**20)

        def command(*arguments):
            return zoo_command(
                *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            )

        return command

    def test_an_import_is_refused(self, full, package):
        (package / "mean.binaryproto").write_bytes(bytes(2**21))
        told = refuse(full("import", package, "--name", "x"))
        assert "No room left" in told

    def test_a_dataset_is_refused(self, full, pictures):
        noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / "5" / "noise.png")
        told = refuse(full("datasets", "add", pictures))
        assert "No room left" in told


def mounted(folder, size):
    """Mount a small file system of its own, where this may be done."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")


class TestFullFileSystem:
    """Whatever room is left: the command succeeds, or says that there was none.

    It does so long before a lease ends, also where there is none to write down how a job ended.
    """

    @pytest.fixture
    def small(self, zoo_command, imported, tmp_path):
        """The zoo on a file system of 4 MiB; gives a function that leaves so many bytes free."""
        folder = tmp_path / "small"
        mounted(folder, 4 * 2**20)
        home = zoo_command.home
        shutil.copytree(imported, folder / "home")
        zoo_command.home = folder / "home"

        def leave(free):
            filler = folder / "filler"
            filler.write_bytes(b"")
            state = os.statvfs(folder)
            filler.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - free)))
            return filler

        yield leave
        zoo_command.kill_all()
        zoo_command.home = home
        subprocess.run(["umount", "-l", folder], check=True)

    @pytest.mark.parametrize("free", [0, 60_000, 100_000, 140_000, 200_000])
    def test_an_import_says_that_there_is_no_room(self, zoo_command, package, small, free):
        filler = small(free)
        began = time.monotonic()
        ran = zoo_command("import", package, "--name", "x", env=LONG_LEASE)
        if ran.code:
            assert "No room left" in ran.told
            assert "Traceback" not in ran.err
            assert time.monotonic() - began < LONG_S
        filler.unlink()
        zoo_command.ok("import", package, "--name", "x")
        assert not list((zoo_command.home / "blobs" / "incoming").iterdir())

    @pytest.mark.parametrize("free", [0, 200_000])
    def test_a_fine_tune_says_that_there_is_no_room(self, zoo_command, small, free):
        filler = small(free)
        ran = zoo_command("finetune", "lenet", "digits", "--name", "mine", env=QUICK_LEASE)
        if ran.code:
            assert "No room left" in ran.told
            assert "Traceback" not in ran.err
        filler.unlink()
        zoo_command.ok("finetune", "lenet", "digits", "--name", "mine")
        assert not list((zoo_command.home / "blobs" / "incoming").iterdir())
