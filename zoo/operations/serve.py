"""Serving any graph: named tensors in, named tensors out; pictures are prepared on their way."""

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.revision import split_address
from zoo.errors import BadRequest, RevisionNotFound, TooLarge
from zoo.images.prepare import read_picture
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.predict import look_up
from zoo.operations.raw import read_raw
from zoo.serving.asking import PLAIN, Terms
from zoo.serving.bound import way_of
from zoo.serving.dense import DensePredictor
from zoo.serving.lines import Target
from zoo.serving.network import STRINGS, Feeds, Port, Tensor, check_names, read_ports
from zoo.serving.predictor import Predictor
from zoo.serving.service import Service
from zoo.serving.shelf import Served
from zoo.serving.signature import IMAGES, PROBABILITIES

MOST_PICTURES = 128  # of one request
MOST_TEXTS = 2**18  # elements of BYTES in a request to a graph that is served as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a request gives and wants."""

    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    raw: memoryview | None = None  # the only input there is, in place of those
    texts: frozenset[str] = frozenset()  # inputs whose bytes came as text: files in base64
    outputs: Sequence[str] = ()  # all, where none are named
    terms: Terms = PLAIN
    input_ns: int = 0  # what reading it took


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a served graph takes, which bounds how much of a request is read."""

    names: tuple[str, ...]  # of all inputs
    most: int  # elements of BYTES, in all inputs together; of a classifier also pictures
    unit: str  # what an element is

    def check_count(self, count: int) -> None:
        """Refuse more elements than are taken, before one of them is read.

        Raises:
            TooLarge: there are more.
        """
        if count > self.most:
            raise TooLarge(
                f"The request has {count} {self.unit}; at most {self.most} are taken.",
                hint="Send them in several requests, also side by side.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a revision gives."""

    revision: str  # id
    outputs: Mapping[str, Tensor]
    labels: tuple[str, ...] = ()  # of a classifier
    is_map: bool = False  # whether the output is a map of scores, of a dense network

    def scores(self, name: str) -> Tensor:
        """Give an output with its classes along the last axis: of a map, the average over cells."""
        output = self.outputs[name]
        return output.mean(axis=(2, 3)) if self.is_map else output


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What answers for a name, what it takes and gives."""

    target: Target
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    provider: str  # the execution provider that really runs
    most_together: int  # pictures of several requests that one run may hold
    way: str = ""  # how it runs on a GPU: on bound buffers, as CUDA graphs, or plainly
    labels: tuple[str, ...] = ()  # of a classifier
    preprocessing: Preprocessing | None = None  # of a classifier

    @property
    def is_classifier(self) -> bool:
        """Tell whether it reads pictures."""
        return self.preprocessing is not None


AXES = 4  # of pictures: N x H x W x 3
CLASSIFIER = Takes(names=(IMAGES,), most=MOST_PICTURES, unit="pictures")


def answer(zoo: Zoo, service: Service, held: tuple[Target, Served], question: Question) -> Answer:
    """Answer a request by what `hold_served` gave.

    A classifier takes `images`: uint8 N x H x W x 3 as its preprocessing gives them, or the bytes
    of N picture files, which are prepared first. Any other graph takes its own inputs.

    Raises:
        NotRunnable: the graph fails.
        BadRequest: the inputs or outputs are not those of the graph.
        UnreadablePicture, PictureTooSmall: a picture cannot be used.
        TooLarge: there are more pictures than one request may have, or than ever wait.
        Overloaded, NotReady, DeadlinePassed: they cannot be answered now.
    """
    target, served = held
    service.unloaded.discard(target.key)
    found = (
        _answer_network(service, target, served, question)
        if target.is_network
        else _answer_pictures(zoo, service, target, served, question)
    )
    size_bytes = 0  # also of a body that was inflated
    for one in (*question.inputs.values(), *found.outputs.values()):
        size_bytes += one.nbytes
    service.trimming.after(size_bytes)
    return found


def takes_of(target: Target, served: Served) -> Takes:
    """Tell what a graph takes."""
    if target.is_network:
        names = tuple(port.name for port in served.network.inputs)
        return Takes(names=names, most=MOST_TEXTS, unit="elements of BYTES")
    return CLASSIFIER


def hold_served(
    zoo: Zoo, service: Service, address: str
) -> AbstractContextManager[tuple[Target, Served]]:
    """Give what answers for a name, be it a classifier or not; it stays open meanwhile.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or one that cannot be loaded.
    """
    return service.lines.hold(address, look_up(zoo, service, address))


def describe(zoo: Zoo, service: Service, address: str) -> Description:
    """Describe what answers for a name, loaded if need be.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or one that cannot be loaded.
    """
    with hold_served(zoo, service, address) as (target, served):
        if target.is_network:
            network = served.network
            return Description(
                target=target,
                inputs=network.inputs,
                outputs=network.outputs,
                provider=network.provider,
                most_together=1,
                way=way_of(network.session),
            )
        return _describe_classifier(target, served)


def find_address(zoo: Zoo, name: str, version: str) -> str:
    """Put a served name, ``model`` or ``model:ref``, and a version of it together.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model, or the ref points elsewhere.
    """
    if not version:
        return name
    model, _ = split_address(name)
    address = f"{model}@{version}"
    if model != name and get_revision(zoo, name).id != get_revision(zoo, address).id:
        raise RevisionNotFound(
            f"{name!r} does not point to {version!r}.",
            hint=f"Ask {model!r} for that version, or {name!r} for none.",
        )
    return address


def _describe_classifier(target: Target, served: Served) -> Description:
    predictor = served.classifier
    (images,) = read_ports(predictor.session.get_inputs())
    outputs = read_ports(predictor.session.get_outputs())
    # What a classifier's graph leaves open is closed by what pictures are prepared to.
    is_dense = isinstance(predictor, DensePredictor)
    height, width = (None, None) if is_dense else predictor.preprocessing.crop_px
    return Description(
        target=target,
        inputs=(replace(images, shape=(images.shape[0], height, width, 3)),),
        outputs=tuple(port for port in outputs if port.name == PROBABILITIES),
        provider=predictor.provider,
        most_together=served.most_together,
        way=way_of(predictor.session),
        labels=predictor.labels,
        preprocessing=predictor.preprocessing,
    )


def _answer_network(service: Service, target: Target, served: Served, question: Question) -> Answer:
    network = served.network
    wanted = _wanted([port.name for port in network.outputs], question)
    inputs = question.inputs
    if question.raw is not None:
        check_names([port.name for port in network.inputs], [network.inputs[0].name])
        inputs = {
            port.name: read_raw(question.raw, port, takes_files=False) for port in network.inputs
        }
    feeds = Feeds(
        tensors={name: _as_texts(name, one) for name, one in inputs.items()}, wanted=wanted
    )
    outputs = service.desk.ask_network(
        target, served, feeds, question.terms, input_ns=question.input_ns
    )
    return Answer(revision=target.revision, outputs=dict(zip(wanted, outputs, strict=True)))


def _answer_pictures(
    zoo: Zoo, service: Service, target: Target, served: Served, question: Question
) -> Answer:
    predictor = served.classifier
    wanted = _wanted([PROBABILITIES], question)
    begun_ns = time.monotonic_ns()
    images = _read_images(zoo, service, target, served, question)
    input_ns = question.input_ns + time.monotonic_ns() - begun_ns
    is_map = isinstance(predictor, DensePredictor)
    ask = service.desk.ask_maps if is_map else service.desk.ask
    probabilities = ask(target, served, images, question.terms, input_ns=input_ns)
    return Answer(
        revision=target.revision,
        outputs=dict.fromkeys(wanted, probabilities),
        labels=predictor.labels,
        is_map=is_map,
    )


def _wanted(known: Sequence[str], question: Question) -> list[str]:
    """Give the names of the outputs that are wanted.

    Raises:
        BadRequest: there is none of such a name.
    """
    unknown = [name for name in question.outputs if name not in known]
    if unknown:
        raise BadRequest(
            f"The model gives no {', '.join(map(repr, unknown))}.",
            hint=f"It gives {', '.join(map(repr, known))}.",
        )
    return list(question.outputs or known)


def _read_images(
    zoo: Zoo, service: Service, target: Target, served: Served, question: Question
) -> NDArray[np.uint8]:
    """Read the pictures of a request, those that are files prepared.

    Raises:
        BadRequest: they are not the one input, or of another form.
        TooLarge: they are too many.
        UnreadablePicture, Overloaded: one cannot be read, or not now.
    """
    if question.raw is not None:
        (port,) = _describe_classifier(target, served).inputs
        images = read_raw(question.raw, port, takes_files=True)
    else:
        check_names([IMAGES], list(question.inputs))
        images = question.inputs[IMAGES]
    if images.dtype != STRINGS:
        if images.ndim == AXES:  # Of others it is told what pictures look like.
            CLASSIFIER.check_count(len(images))
        return images
    CLASSIFIER.check_count(images.size)
    return _prepare(zoo, service, served.classifier, images, is_base64=IMAGES in question.texts)


def _as_texts(name: str, tensor: Tensor) -> Tensor:
    """Have elements of BYTES be texts, which is what graphs read.

    Raises:
        BadRequest: one is none.
    """
    if tensor.dtype != STRINGS:
        return tensor
    texts = np.empty(tensor.size, dtype=object)
    try:
        texts[:] = [one.decode() for one in tensor.flat]
    except UnicodeDecodeError as error:
        raise BadRequest(f"The input {name!r} holds bytes that are no text.") from error
    return texts.reshape(tensor.shape)


def _prepare(
    zoo: Zoo, service: Service, predictor: Predictor, files: Tensor, *, is_base64: bool
) -> NDArray[np.uint8]:
    """Prepare picture files, one after the other.

    Raises:
        BadRequest: they are not of the shape N or N x 1, or no base64 where they should be.
        UnreadablePicture: one cannot be read.
        Overloaded: it is large, and too many of those wait to be decoded.
    """
    if files.shape not in {(files.size,), (files.size, 1)} or not files.size:
        raise BadRequest(
            f"The picture files are of the shape {list(files.shape)}.",
            hint="Give the bytes of N files as BYTES of the shape [N] or [N, 1].",
        )
    prepared = []
    for number, file in enumerate(files.flat, start=1):
        with service.turns.hold() as take:
            pixels = read_picture(
                _without_base64(file) if is_base64 else file,
                predictor.preprocessing,
                name=f"picture {number}",
                max_pixels=zoo.settings.max_picture_pixels,
                take=take,
            )
        prepared.append(pixels)
    return np.stack(prepared)


def _without_base64(file: bytes) -> bytes:
    try:
        return base64.b64decode(file, validate=True)
    except binascii.Error as error:
        raise BadRequest(
            "A picture file in JSON is its bytes in base64, which this is not.",
            hint="Send it binary: set_data_from_numpy(files, binary_data=True).",
        ) from error
