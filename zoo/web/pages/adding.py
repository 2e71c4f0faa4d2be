"""/new/model, /new/dataset: a checkpoint or pictures from the browser."""

from collections.abc import Iterator

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import Field
from werkzeug.datastructures import FileStorage

from zoo.domain.revision import derive_name
from zoo.errors import BadRequest
from zoo.operations import datasets
from zoo.operations.upload import Upload, upload_revision
from zoo.web.access import Need, needs
from zoo.web.context import check_fields, current_zoo
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_adding", __name__, url_prefix="/new")

PIECE_BYTES = 2**20


class AddForm(Shape):
    """What is added is called so; empty is named by its file."""

    name: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)


@bp.get("/model")
@needs(Need.READ)
def show_new_model() -> ResponseReturnValue:
    """Ask for the files of a checkpoint."""
    ways = Ways(twin="/v1/models/NAME/revisions", command="import ./folder", body="net.caffemodel")
    return show("new_model.html", ways=ways)


@bp.post("/model")
@needs(Need.WRITE)
def post_new_model() -> ResponseReturnValue:
    """Publish the files of a checkpoint, and show the job that makes it run."""
    form = check_fields(AddForm, request.form.to_dict())
    files = _read_files()
    name = form.name.strip() or derive_name(_stem(files[0]), otherwise="model")
    uploads = [Upload(path=_base(one), chunks=_pieces(one)) for one in files]
    uploaded = upload_revision(current_zoo(), name, uploads, message="upload")
    goal = f"/jobs/{uploaded.job}" if uploaded.job else f"/models/{uploaded.revision.address}"
    return redirect(goal, SEE_OTHER)


@bp.get("/dataset")
@needs(Need.READ)
def show_new_dataset() -> ResponseReturnValue:
    """Ask for an archive of class folders."""
    ways = Ways(
        twin="/v1/datasets?name=flowers", command="datasets add ./flowers", body="flowers.zip"
    )
    return show("new_dataset.html", ways=ways)


@bp.post("/dataset")
@needs(Need.WRITE)
def post_new_dataset() -> ResponseReturnValue:
    """Add a dataset, and show it."""
    zoo, form = current_zoo(), check_fields(AddForm, request.form.to_dict())
    archive, *more = _read_files()
    if more:
        raise BadRequest("A dataset comes as one archive.", hint="Pack the folders into one zip.")
    name = form.name.strip() or derive_name(_stem(archive), otherwise="dataset")
    with zoo.blobs.hold(_pieces(archive)) as path:
        dataset = datasets.add_dataset(zoo, path, name=name, source_name=_base(archive))
    return redirect(f"/datasets/{dataset.address}", SEE_OTHER)


def _read_files() -> list[FileStorage]:
    """Give the files that were chosen.

    Raises:
        BadRequest: there are none.
    """
    files = [one for one in request.files.getlist("file") if one.filename]
    if not files:
        raise BadRequest("No file was chosen.", hint="Choose one, or drop it on the page.")
    return files


def _base(file: FileStorage) -> str:
    """Give a file's own name: some browsers send the folders too."""
    return (file.filename or "").rpartition("/")[2]


def _stem(file: FileStorage) -> str:
    return _base(file).partition(".")[0]


def _pieces(file: FileStorage) -> Iterator[bytes]:
    while piece := file.stream.read(PIECE_BYTES):
        yield piece
