"""Networks that a library builds by name: torchvision's, timm's and transformers'.

The one file that imports them, and only when one is asked for: they take seconds to load. Of a
library come the architecture, the names of its tensors and how its pictures are prepared; weights
never do, nothing is downloaded, and no code beside the installed library is run.
"""

import difflib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.overrides import TorchFunctionMode

from zoo.domain.preprocessing import Channels, Interpolation, Preprocessing, Resize
from zoo.domain.reading import read_object
from zoo.domain.recipe import Source
from zoo.domain.weights import Weights
from zoo.errors import MalformedCheckpoint, Unsupported
from zoo.networks.tracing import trace_network

NEAR = 5  # names that an error tells
DEFAULT_PX = 224
IMAGENET = 1000
LARGEST_TEXT = 4 * 2**20  # bytes of a library's configuration
LARGEST_NUMBER = 2**16  # of an argument: widths, depths and sides are far below
MOST_VALUES = 4096  # of one argument, a list or an object
COUNTER = "num_batches_tracked"
# torchvision's arguments that mean no file and no network; the others of a recipe are refused.
TORCHVISION_ARGUMENTS = {
    "aux_logits",
    "dropout",
    "image_size",
    "num_classes",
    "stochastic_depth_prob",
    "transform_input",
    "width_mult",
}
# What torchvision itself tells these two when it builds them for its own weights.
PORTED = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}
# timm's arguments that name files, addresses or code, or make another thing than a classifier.
TIMM_REFUSED = {
    "cache_dir",
    "checkpoint_path",
    "exportable",
    "feature_cfg",
    "feature_cls",
    "features_only",
    "kwargs_filter",
    "model_cfg",
    "no_jit",
    "out_indices",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "pretrained_filter_fn",
    "pretrained_model_args",
    "pretrained_strict",
    "scriptable",
}
# transformers' keys that name code, other checkpoints, or how numbers were squeezed.
TRANSFORMERS_DROPPED = {"_name_or_path", "auto_map", "quantization_config"}
INTERPOLATIONS = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}
RESIZES = {"center": Resize.SHORT_SIDE, "squash": Resize.SQUASH}


# Which argument the shapes of weights tell, at which of their axes; another value of it.
FITTED = {
    "torchvision": (("num_classes", 0, IMAGENET + 1),),
    "timm": (("num_classes", 0, IMAGENET + 1), ("in_chans", 1, 1)),
}
_Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a library knows of an architecture beside how it is built."""

    preprocessing: Preprocessing
    input_px: tuple[int, int]  # height, width
    classes: int  # of the library's own weights
    labels: tuple[str, ...] | None  # of those classes, in order, where the library names them


def build_vision(source: Source, files: Mapping[str, Path]) -> GraphModule:
    """Build the network a library has under this name, its weights unset until ``load_weights``.

    ``source.path`` is the kept configuration of a transformers network; the other libraries need
    none. The state dict has the library's names.

    Raises:
        Unsupported: the library is not installed, knows no such architecture, refuses the
            arguments, or its network cannot be written as a graph.
        MalformedCheckpoint: the configuration cannot be read.
    """
    with _undrawn():
        built = _create(source, files)
    prefix = "model." if source.kind == "transformers" else ""
    network = trace_network(built, shape=_shape(built, source), prefix=prefix)
    _unset(network)
    return network


def list_architectures(kind: str) -> list[str]:
    """Name the architectures that a library builds: torchvision's or timm's.

    Raises:
        Unsupported: the library is not installed, or builds none by name.
    """
    if kind not in LISTS:
        raise Unsupported(
            f"Architectures by name come from {' and '.join(LISTS)}, not from {kind!r}.",
            hint=f"Say for example {next(iter(LISTS))}:resnet18.",
            kind=kind,
        )
    return LISTS[kind]()


def describe_architecture(
    kind: str, architecture: str, *, file: str = "", arguments: Mapping[str, Any] | None = None
) -> Described:
    """Tell how the library prepares pictures for an architecture, and its own classes.

    torchvision has several sets of weights for some, prepared for differently: ``file``, the name
    of the weights' file, picks the one it was published as, ``arguments["image_size"]`` the one of
    that size; else it is torchvision's default. timm's are told by a tag, ``resnet18.a1_in1k``.

    Raises:
        Unsupported: the library is not installed, or knows no such architecture.
    """
    list_architectures(kind)
    _check_name(kind, architecture)
    return DESCRIBERS[kind](architecture, file, arguments or {})


def fit_arguments(source: Source, weights: Weights) -> Source:
    """Tell the builder what the weights' own shapes say: classes, channels, auxiliary heads.

    What the source tells stays as it is. Where nothing fits the source comes back unchanged, and
    ``load_weights`` will say what is wrong.

    Raises:
        Unsupported: as ``build_vision``.
    """
    if source.kind not in LISTS:
        return source
    told = dict(PORTED.get(source.architecture, {})) | source.arguments
    source = replace(source, arguments=told)
    if source.architecture in PORTED and source.kind == "torchvision":
        has_aux = any(name.lower().startswith("aux") for name in weights)
        source = replace(source, arguments={"aux_logits": has_aux} | told)
    shapes = _shapes(source)
    found: dict[str, int] = {}
    for argument, axis, probe in FITTED[source.kind]:
        if argument in source.arguments:
            continue
        others = _find_shapes(replace(source, arguments=source.arguments | {argument: probe}))
        size = _told_by(weights, shapes, others, axis=axis)
        if size is not None:
            found[argument] = size
    return replace(source, arguments=source.arguments | found)


def fit_weights(
    source: Source, weights: Weights, files: Mapping[str, Path] | None = None
) -> Weights:
    """Give the weights the names that the installed library has for them.

    transformers has renamed the parts of its networks since many files were written, and renames
    what it loads; so it is let load them, from memory. What does not fit comes back as it was, and
    ``load_weights`` will say what is wrong. Other libraries' weights come back as they are.

    Raises:
        Unsupported, MalformedCheckpoint: as ``build_vision``.
    """
    if source.kind != "transformers":
        return weights
    with _undrawn():
        built = _create(source, files or {}).get_submodule("model")
    if {name for name in built.state_dict() if not name.endswith(COUNTER)} <= weights.keys():
        return weights
    given = {name: torch.tensor(np.array(value)) for name, value in weights.items()}
    config: Any = built.config
    loaded, told = type(built).from_pretrained(  # type: ignore[attr-defined]  # transformers' own
        None, config=config, state_dict=given, output_loading_info=True
    )
    if any(told[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys")):
        return weights
    return _numbers_of(loaded)


def initial_weights(
    source: Source, *, seed: int, files: Mapping[str, Path] | None = None
) -> Weights:
    """Draw weights as the library does for a network nobody has trained; by name, float32.

    Raises:
        Unsupported: as ``build_vision``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = _create(source, files or {}, is_drawn=True)
    return _numbers_of(built.get_submodule("model") if source.kind == "transformers" else built)


def _numbers_of(built: nn.Module) -> Weights:
    return {
        name: tensor.detach().numpy().copy()
        for name, tensor in built.state_dict().items()
        if not name.endswith(COUNTER)
    }


def _create(source: Source, files: Mapping[str, Path], *, is_drawn: bool = False) -> nn.Module:
    """Let the library build its module, by name and arguments that were looked at."""
    if source.kind in LISTS:
        _check_name(source.kind, source.architecture)
    _check_values(source.arguments, source.architecture)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a library would do with weights of its own
            return CREATORS[source.kind](source, files, is_drawn)
    except (ArithmeticError, AttributeError, LookupError, AssertionError) as error:
        raise _refusal(source, error) from error
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise _refusal(source, error) from error


def _refusal(source: Source, error: Exception) -> Unsupported:
    said = str(error).strip().partition("\n")[0]
    told = json.dumps(source.arguments) if source.arguments else "no arguments"
    return Unsupported(
        f"{source.kind} cannot build {source.architecture or source.path!r} with {told}: {said}",
        hint="Compare the arguments with the library's own documentation of that architecture.",
        architecture=source.architecture,
    )


def _create_torchvision(
    source: Source,
    _files: Mapping[str, Path],
    is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    unknown = sorted(set(source.arguments) - TORCHVISION_ARGUMENTS)
    if unknown:
        raise TypeError(f"these arguments are not taken here: {', '.join(unknown)}")
    told = PORTED.get(source.architecture, {}) | source.arguments
    if source.architecture in PORTED:
        told = {"init_weights": is_drawn, "aux_logits": True} | told
    built: nn.Module = _torchvision().get_model(source.architecture, weights=None, **told)
    return built


def _create_timm(
    source: Source,
    _files: Mapping[str, Path],
    _is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    refused = sorted(set(source.arguments) & TIMM_REFUSED)
    if refused:
        raise TypeError(f"these arguments are not taken here: {', '.join(refused)}")
    built: nn.Module = _timm().create_model(
        source.architecture, pretrained=False, **source.arguments
    )
    return built


class _Scores(nn.Module):
    """A classifier of transformers as a module from pictures to scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch."""
        scores: Tensor = self.model(pixel_values=x, return_dict=False)[0]
        return scores


def _create_transformers(
    source: Source,
    files: Mapping[str, Path],
    _is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    transformers = _transformers()
    data = _read_config(files[source.path], source.path) | source.arguments
    _check_values(data, source.path)
    model_type = data.pop("model_type", None)
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    if model_type not in known or model_type == "timm_wrapper":
        raise ValueError(f"transformers has no classifier of pictures of the type {model_type!r}")
    kept = {key: value for key, value in data.items() if key not in TRANSFORMERS_DROPPED}
    config = transformers.AutoConfig.for_model(model_type, **kept)
    model = transformers.AutoModelForImageClassification.from_config(
        config, trust_remote_code=False, dtype=torch.float32, attn_implementation="eager"
    )
    return _Scores(model)


def _read_config(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(LARGEST_TEXT)  # what is cut off there is no JSON any more
    try:
        return read_object(json.loads(text), name)
    except (ValueError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{name} cannot be read: {error}",
            hint="Take the config.json that was published with the weights.",
            file=name,
        ) from error


CREATORS: Mapping[str, Callable[[Source, Mapping[str, Path], bool], nn.Module]] = {
    "torchvision": _create_torchvision,
    "timm": _create_timm,
    "transformers": _create_transformers,
}


def _check_name(kind: str, architecture: str) -> None:
    """Refuse what is no architecture of the library: names alone, never addresses or paths."""
    known = list_architectures(kind)
    plain = architecture.partition(".")[0] if kind == "timm" else architecture
    is_known = plain in known
    if is_known and kind == "timm" and plain != architecture:
        is_known = bool(_timm().is_model_pretrained(architecture))
        known = _timm().list_models(f"{plain}.*", pretrained=True)
    if not is_known:
        near = difflib.get_close_matches(architecture, known, NEAR, cutoff=0.5)
        raise Unsupported(
            f"{kind} has no architecture {architecture!r}"
            + (f"; near it: {', '.join(near)}." if near else "."),
            hint=f"All names: python -c 'import {kind}; print({NAMES[kind]})'",
            kind=kind,
            architecture=architecture,
            near=near,
        )


def _check_values(arguments: Mapping[str, Any], name: str) -> None:
    """Refuse arguments that would build more than any network has."""
    waiting: list[object] = list(arguments.values())
    for count in range(100 * MOST_VALUES + 1):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list):
            waiting.extend(value)
        is_large = isinstance(value, int | float) and abs(value) > LARGEST_NUMBER
        if is_large or count == 100 * MOST_VALUES:
            break
    raise Unsupported(
        f"The arguments of {name!r} are beyond what any network has.",
        hint=f"Numbers of an architecture are at most {LARGEST_NUMBER} here.",
        architecture=name,
    )


def _list_torchvision() -> list[str]:
    models = _torchvision()
    return sorted(models.list_models(module=models))


def _list_timm() -> list[str]:
    return sorted(_timm().list_models())


LISTS: Mapping[str, Callable[[], list[str]]] = {
    "torchvision": _list_torchvision,
    "timm": _list_timm,
}
NAMES = {"torchvision": "torchvision.models.list_models()", "timm": "timm.list_models()"}


def _describe_torchvision(architecture: str, file: str, arguments: Mapping[str, Any]) -> Described:
    every = list(_torchvision().get_model_weights(architecture))
    wanted_px = arguments.get("image_size")
    fitting = [
        *(one for one in every if file and Path(one.url).name == Path(file).name),
        *(one for one in every if wanted_px and one.transforms().crop_size == [wanted_px]),
        _torchvision().get_model_weights(architecture).DEFAULT,
    ]
    chosen = fitting[0]
    told = chosen.transforms()
    (resize_px,), (crop_px,) = told.resize_size, told.crop_size
    if wanted_px and wanted_px != crop_px:
        resize_px = crop_px = wanted_px
    labels = tuple(chosen.meta["categories"])
    return Described(
        preprocessing=Preprocessing(
            resize_px=resize_px,
            crop_px=(crop_px, crop_px),
            interpolation=INTERPOLATIONS[told.interpolation.value],
            mean=tuple(told.mean),
            std=tuple(told.std),
            source=f"torchvision's {chosen}",
        ),
        input_px=(crop_px, crop_px),
        classes=len(labels),
        labels=labels,
    )


def _describe_timm(architecture: str, _file: str, arguments: Mapping[str, Any]) -> Described:
    told = _timm().get_pretrained_cfg(architecture)
    height, width = _input_px(arguments.get("img_size"), told.input_size)
    is_gray = arguments.get("in_chans", told.input_size[0]) == 1
    interpolation = INTERPOLATIONS.get(told.interpolation)
    noted = "" if interpolation else f", its {told.interpolation} taken as bicubic"
    return Described(
        preprocessing=Preprocessing(
            resize=RESIZES.get(told.crop_mode, Resize.SHORT_SIDE),
            resize_px=int(min(height, width) / told.crop_pct),
            crop_px=(height, width),
            interpolation=interpolation or Interpolation.BICUBIC,
            channels=Channels.GRAY if is_gray else Channels.RGB,
            mean=_per_channel(told.mean, is_gray=is_gray),
            std=_per_channel(told.std, is_gray=is_gray),
            source=f"timm's settings of {architecture}{noted}",
        ),
        input_px=(height, width),
        classes=told.num_classes,
        labels=_imagenet_labels(told.num_classes),
    )


def _per_channel(values: tuple[float, ...], *, is_gray: bool) -> tuple[float, ...]:
    """Give the numbers of three channels, or their average for the one of gray pictures."""
    return (sum(values) / len(values),) if is_gray else tuple(values)


def _input_px(wanted: object, own: tuple[int, int, int]) -> tuple[int, int]:
    if isinstance(wanted, int):
        return wanted, wanted
    return (wanted[0], wanted[1]) if isinstance(wanted, list) else (own[1], own[2])


def _imagenet_labels(classes: int) -> tuple[str, ...] | None:
    """Give the names of ImageNet's 1000 classes as timm has them, where they are 1000."""
    if classes != IMAGENET:
        return None
    told = _timm().data.ImageNetInfo("imagenet-1k")
    return tuple(told.index_to_description(index, detailed=False) for index in range(classes))


DESCRIBERS: Mapping[str, Callable[[str, str, Mapping[str, Any]], Described]] = {
    "torchvision": _describe_torchvision,
    "timm": _describe_timm,
}


def _shape(built: nn.Module, source: Source) -> tuple[int, int, int]:
    """Tell the shape of a picture the module surely takes."""
    if source.kind == "transformers":
        config: Any = built.model.config  # type: ignore[union-attr]  # the module made above
        side = getattr(config, "image_size", DEFAULT_PX)
        height, width = (side, side) if isinstance(side, int) else side
        return config.num_channels, height, width
    if source.kind == "timm":
        own = getattr(built, "pretrained_cfg", {}).get("input_size", (3, DEFAULT_PX, DEFAULT_PX))
        height, width = _input_px(source.arguments.get("img_size"), own)
        return source.arguments.get("in_chans", own[0]), height, width
    side = source.arguments.get("image_size", DEFAULT_PX)
    return 3, side, side


def _shapes(source: Source) -> _Shapes:
    with _undrawn():
        state = _create(source, {}).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _find_shapes(source: Source) -> _Shapes:
    """Give the shapes of a network's tensors; none where it does not take the arguments."""
    try:
        return _shapes(source)
    except Unsupported:
        return {}


def _told_by(weights: Weights, shapes: _Shapes, others: _Shapes, *, axis: int) -> int | None:
    """Find a size by the tensors that change with it; None where it is as it is, or unclear."""
    found = {
        weights[name].shape[axis]
        for name, shape in shapes.items()
        if others.get(name, shape) != shape
        and name in weights
        and weights[name].ndim == len(shape) > axis
    }
    own = {shape[axis] for name, shape in shapes.items() if others.get(name, shape) != shape}
    return int(found.pop()) if len(found) == 1 and not found <= own else None


class _NoDrawing(TorchFunctionMode):
    """Leaves parameters as they were allotted: drawing numbers for them would only cost time."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401  # torch's own signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # torch's own signature
        """Pass every call on, but those that change a parameter in place."""
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        target = args[0] if args else kwargs.get("tensor")
        is_drawing = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
        return target if is_drawing and isinstance(target, nn.Parameter) else func(*args, **kwargs)


@contextmanager
def _undrawn() -> Iterator[None]:
    """Build modules without drawing their weights, nor from anybody's random numbers."""
    with torch.random.fork_rng(devices=[]), _NoDrawing():
        yield


def _unset(network: GraphModule) -> None:
    """Let weights be unset: predicting with one that was never loaded should fail loudly."""
    unset: dict[int, Tensor] = {}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            empty = torch.empty_like(parameter, device="meta")
            fresh = nn.Parameter(empty, requires_grad=parameter.requires_grad)
            setattr(module, name, unset.setdefault(id(parameter), fresh))
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            if name not in module._non_persistent_buffers_set:  # noqa: SLF001  # torch has no other way to tell
                setattr(module, name, torch.empty_like(buffer, device="meta"))


@cache
def _torchvision() -> Any:  # noqa: ANN401  # a module without types
    """Import torchvision.models, mended where its compiled part is made for another torch.

    The registry's file is built for CUDA. Beside a torch without it, its library does not load and
    the import dies of two operators that only detectors need; naming them is enough.
    """
    spec = find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for library in Path(folders[0]).glob("_C.*") if folders else ():
        try:
            torch.ops.load_library(str(library))
        except OSError:
            for operator in {"nms", "qnms"} - set(dir(torch.ops.torchvision)):
                DECLARED.define(
                    f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    with _installed("torchvision"):
        from torchvision import models  # noqa: PLC0415  # it takes seconds
    return models


DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # gone when this is


@cache
def _timm() -> Any:  # noqa: ANN401  # a module without types
    _torchvision()  # timm imports it
    with _installed("timm"):
        import timm  # noqa: PLC0415  # it takes seconds
    return timm


@cache
def _transformers() -> Any:  # noqa: ANN401  # a module of lazy parts
    _torchvision()  # transformers imports it where it is installed
    with _installed("transformers"):
        import transformers  # noqa: PLC0415  # it takes seconds
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers


@contextmanager
def _installed(library: str) -> Iterator[None]:
    """Say how to get a library that is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "hub" if library == "transformers" else library
        raise Unsupported(
            f"The network is one of {library}, which is not installed.",
            hint=f"Install it: pip install 'zoo[{extra}]'",
            library=library,
        ) from error
