"""Pictures for the models of another zoo, and what they say of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from urllib3.filepost import encode_multipart_formdata

from zoo.client.reading import Asking
from zoo.domain.prediction import Prediction
from zoo.images.file import open_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Predictions:
    predictions: list[Prediction]


class Pictures(Asking):
    """Pictures in, classes out."""

    __slots__ = ()

    def predict(
        self, address: str, pictures: Iterable[tuple[str, Path]], *, top: int
    ) -> Iterator[Prediction]:
        """Predict pictures, given as (name, file), one after the other, all by one revision."""
        path = self.at(self.get_revision(address).address, "predict")
        for name, picture in pictures:
            body, media = _as_form(name, picture)
            told = self.remote.post(path, body, media=media, query={"top": top})
            for found in self.read(_Predictions, told).predictions[:1]:
                yield replace(found, picture=name)


def _as_form(name: str, picture: Path) -> tuple[bytes, str]:
    """Give a picture as the body of a form, whose part is called as errors are to call it."""
    with open_picture(picture, name=name) as file:
        data = file.read()
    return encode_multipart_formdata({"picture": (name, data, "application/octet-stream")})
