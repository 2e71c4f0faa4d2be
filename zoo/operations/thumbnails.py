"""Small pictures of a dataset's pictures, drawn once and kept."""

from dataclasses import dataclass

from zoo.catalog import datasets
from zoo.domain.dataset import Picture
from zoo.errors import FileNotFound
from zoo.images.decode import decode
from zoo.images.heat import as_jpeg
from zoo.images.prepare import shrink_whole
from zoo.images.turns import Take, take_any
from zoo.operations.kept import keep_picture, read_kept_picture
from zoo.operations.opening import Zoo

SIDE_PX = 168  # the shorter side, twice what pages show


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture, and the name of what it depends on."""

    jpeg: bytes
    tag: str


def get_picture(zoo: Zoo, address: str, digest: str) -> Picture:
    """Give a picture of a dataset by its digest.

    Raises:
        DatasetNotFound: there is no such dataset.
        FileNotFound: it has no such picture.
    """
    with zoo.catalog.reading() as db:
        picture = datasets.find_picture(db, address, digest)
    if picture is None:
        raise FileNotFound(f"The dataset {address} has no picture {digest[:12]}.", digest=digest)
    return picture


def get_thumbnail(zoo: Zoo, address: str, digest: str, *, take: Take = take_any) -> Thumbnail:
    """Draw a picture of a dataset small: the shorter side has 168 pixels, or its own fewer.

    Raises:
        DatasetNotFound, FileNotFound: there is no such picture.
        UnreadablePicture: it was read once, and cannot be any more.
    """
    picture = get_picture(zoo, address, digest)
    tag = f"{digest}-{SIDE_PX}"
    jpeg = read_kept_picture(zoo, "thumbnails", tag)
    if jpeg is None:
        image = decode(
            zoo.blobs.local_path(digest),
            name=picture.path,
            max_pixels=zoo.settings.max_picture_pixels,
            take=take,
        )
        jpeg = as_jpeg(shrink_whole(image, SIDE_PX))
        keep_picture(zoo, "thumbnails", tag, jpeg)
    return Thumbnail(jpeg=jpeg, tag=tag)
