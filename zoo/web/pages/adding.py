"""/new/model, /new/dataset: a checkpoint or pictures from the browser."""

from collections.abc import Iterator, Sized

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import Field
from werkzeug.datastructures import FileStorage

from zoo.domain.revision import MOST_LETTERS, derive_name
from zoo.errors import BadRequest
from zoo.operations import datasets
from zoo.operations.upload import Upload, publish_sent, upload_revision
from zoo.operations.uploads import get_proven
from zoo.web.access import Need, needs
from zoo.web.context import check_fields, current_service, current_zoo
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.uploads import MOST_FILES, Digest

bp = Blueprint("pages_adding", __name__, url_prefix="/new")

PIECE_BYTES = 2**20
UPLOAD = "upload"  # the message of a revision


class AddForm(Shape):
    """What is added is called so; empty is named by its file.

    Files are in the form, or were sent before: then their paths and digests are, in one order.
    """

    name: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)
    path: list[str] = Field(default=[], max_length=MOST_FILES)
    digest: list[Digest] = Field(default=[], max_length=MOST_FILES)


@bp.get("/model")
@needs(Need.READ)
def show_new_model() -> ResponseReturnValue:
    """Ask for the files of a checkpoint."""
    ways = Ways(
        twin="/v1/models/NAME/revisions",
        command="import ./folder",
        body="net.caffemodel",
        is_form=True,
    )
    return show("new_model.html", ways=ways, most=MOST_LETTERS)


@bp.post("/model")
@needs(Need.WRITE)
def post_new_model() -> ResponseReturnValue:
    """Publish the files of a checkpoint, and show the job that makes it run."""
    zoo, form = current_zoo(), _read_form()
    if form.digest:
        digests = dict(zip(form.path, form.digest, strict=True))
        uploaded = publish_sent(zoo, _name_of(form, form.path[0], "model"), digests, message=UPLOAD)
    else:
        files = _read_files()
        uploads = [Upload(path=_base(one), chunks=_pieces(one)) for one in files]
        name = _name_of(form, _base(files[0]), "model")
        uploaded = upload_revision(zoo, name, uploads, message=UPLOAD)
    goal = f"/jobs/{uploaded.job}" if uploaded.job else f"/models/{uploaded.revision.address}"
    return redirect(goal, SEE_OTHER)


@bp.get("/dataset")
@needs(Need.READ)
def show_new_dataset() -> ResponseReturnValue:
    """Ask for an archive of class folders."""
    ways = Ways(
        twin="/v1/datasets?name=flowers", command="datasets add ./flowers", body="flowers.zip"
    )
    return show("new_dataset.html", ways=ways, most=MOST_LETTERS)


@bp.post("/dataset")
@needs(Need.WRITE)
def post_new_dataset() -> ResponseReturnValue:
    """Add a dataset, and show it."""
    zoo, form = current_zoo(), _read_form()
    turns = current_service().turns
    if form.digest:
        _refuse_several(form.path)
        name = _name_of(form, form.path[0], "dataset")
        (blob,) = get_proven(zoo, name, {form.path[0]: form.digest[0]}).values()
        path = zoo.blobs.local_path(blob.digest)
        dataset = datasets.add_dataset(zoo, path, name=name, source_name=form.path[0], turns=turns)
    else:
        files = _read_files()
        _refuse_several(files)
        name = _name_of(form, _base(files[0]), "dataset")
        with zoo.blobs.hold(_pieces(files[0])) as path:
            dataset = datasets.add_dataset(
                zoo, path, name=name, source_name=_base(files[0]), turns=turns
            )
    return redirect(f"/datasets/{dataset.address}", SEE_OTHER)


def _read_form() -> AddForm:
    """Read what is told beside the files, or of files that were sent before.

    Raises:
        BadRequest: it is out of range, or has not a digest for each path.
    """
    given: dict[str, object] = {
        name: values if name in {"path", "digest"} else values[0]
        for name, values in request.form.lists()
    }
    form = check_fields(AddForm, given)
    if len(form.path) != len(form.digest) or len(set(form.path)) != len(form.path):
        raise BadRequest("Files that were sent before need a path of their own and a digest each.")
    return form


def _name_of(form: AddForm, file: str, otherwise: str) -> str:
    return form.name.strip() or derive_name(file.partition(".")[0], otherwise=otherwise)


def _refuse_several(files: Sized) -> None:
    if len(files) > 1:
        raise BadRequest("A dataset comes as one archive.", hint="Pack the folders into one zip.")


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


def _pieces(file: FileStorage) -> Iterator[bytes]:
    while piece := file.stream.read(PIECE_BYTES):
        yield piece
