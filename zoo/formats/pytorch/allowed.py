"""The names a checkpoint may mention, and what is made where it calls them. Nothing is looked up.

A name that is not a key of ``ALLOWED`` is refused. None of the functions here runs anything of the
checkpoint's: they check their arguments and put them into the values of ``values``.
"""

from collections.abc import Sequence

import numpy as np

from zoo.errors import UnknownFormat
from zoo.formats.elements import ELEMENTS, Element
from zoo.formats.mapped import can_be_shape
from zoo.formats.pytorch.machine import Builder, Machine, safe_key
from zoo.formats.pytorch.values import Named, NumpyArray, NumpyType, Record, Storage, Tensor

ENTRY_BYTES = 128  # of a dictionary in memory
MOST_ITEMS = 2**16  # of an ordered dictionary that is written as a list

STORAGES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
}
STORAGE_ELEMENTS: dict[str, Element | None] = {
    f"{module}.{name}": ELEMENTS[element]
    for name, element in STORAGES.items()
    for module in ("torch", "torch.cuda")
} | {"torch.storage.UntypedStorage": None, "torch.UntypedStorage": None}


def _tensor(machine: Machine, args: tuple[object, ...]) -> Tensor:
    """Make a tensor of (storage, offset, shape, strides, ...) whose storage says its type."""
    match args:
        case (Storage(element=Element() as element) as storage, *place):
            return _placed(machine, storage, element, place[:3])
    raise machine.refuse("a tensor is not made of a storage, a place and a shape")


def _tensor_v2(machine: Machine, args: tuple[object, ...]) -> Tensor:
    _refuse_pending(machine, args[6:7])
    return _tensor(machine, args)


def _tensor_v3(machine: Machine, args: tuple[object, ...]) -> Tensor:
    """Make a tensor that brings its type along: ``args[6]``."""
    match args:
        case (Storage(element=None) as storage, offset, shape, strides, _, _, Named() as dtype, *_):
            _refuse_pending(machine, args[7:8])
            element = ELEMENTS.get(dtype.name.removeprefix("torch."))
            if element is None:
                raise refuse_kind(machine, f"a tensor of {dtype.name}")
            return _placed(machine, storage, element, (offset, shape, strides))
    raise machine.refuse("a tensor is not made of a storage, a place, a shape and a type")


def _placed(
    machine: Machine, storage: Storage, element: Element, place: Sequence[object]
) -> Tensor:
    """Check that every number of a tensor lies within its storage, and none lies there twice."""
    match place:
        case [int(offset), tuple(shape), tuple(strides)]:
            pass
        case _:
            raise machine.refuse("a tensor has no place and shape")
    if len(shape) != len(strides) or not can_be_shape(shape, element.size_bytes):
        raise machine.refuse("a tensor has a shape that no array can have")
    if not can_be_shape(strides, element.size_bytes) or not 0 <= offset < 2**63:
        raise machine.refuse("a tensor has strides or an offset that no array can have")
    if 0 not in shape:
        steps = sorted((stride, dim) for stride, dim in zip(strides, shape, strict=True) if dim > 1)
        last = _last_index(machine, steps) + offset
        if (last + 1) * element.size_bytes > storage.size_bytes:
            raise machine.refuse(
                f"a tensor ends at number {last} of a storage of {storage.size_bytes} bytes"
            )
    return Tensor(storage, element, offset, shape, strides)


def _last_index(machine: Machine, steps: list[tuple[int, int]]) -> int:
    """Find where the last number lies; axes of stride 0 repeat the same numbers and are let be."""
    last = 0
    for stride, dim in steps:
        if stride and stride <= last:
            raise machine.refuse("a tensor's strides let its numbers overlap")
        last += stride * (dim - 1)
    return last


def _refuse_pending(machine: Machine, metadata: Sequence[object]) -> None:
    """Refuse numbers that still have to be conjugated or negated, as they lie in the file."""
    match metadata:
        case [dict() as bits] if bits.get("conj") or bits.get("neg"):
            raise refuse_kind(machine, "a tensor that is a conjugate or negative of another")


def _parameter(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case (Tensor() | NumpyArray() as tensor, *_):
            return tensor
    raise machine.refuse("a parameter has no tensor")


def _typed(machine: Machine, args: tuple[object, ...]) -> object:
    """Make a tensor that has attributes: (function, class, arguments, attributes)."""
    match args:
        case (Named(name=function), Named(name=kind), tuple(arguments), *_) if (
            function in TENSORS and kind in TENSOR_CLASSES
        ):
            return TENSORS[function](machine, arguments)
    raise refuse_kind(machine, "a tensor of a class of its own")


def refuse_kind(machine: Machine, kind: str) -> UnknownFormat:
    """Make the error that names a kind of tensor that is safe, but not read."""
    return UnknownFormat(
        f"{machine.name} holds {kind} (byte {machine.at}), which is not read.",
        hint="Save plain tensors of float32: {k: v.float() for k, v in state_dict.items()}.",
        file=machine.name,
        offset=machine.at,
    )


def _refused(kind: str) -> Builder:
    def refuse(machine: Machine, args: tuple[object, ...]) -> object:
        del args
        raise refuse_kind(machine, kind)

    return refuse


def _size(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case (tuple() as dims,):
            return dims
        case (list() as dims,) if can_be_shape(dims, 1):
            return tuple(dims)
    raise machine.refuse("a torch.Size is not made of numbers")


def _recorded(name: str) -> Builder:
    def record(machine: Machine, args: tuple[object, ...]) -> object:
        del machine
        return Record(name, args)

    return record


def _dictionary(machine: Machine, args: tuple[object, ...]) -> object:
    """Make a dictionary of nothing, of another, or of a list of pairs as Python 2 wrote it."""
    match args:
        case ():
            return {}
        case (dict() as same,):
            return same
        case (list() as pairs,) if len(pairs) <= MOST_ITEMS:
            machine.spend(ENTRY_BYTES * len(pairs))
            if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004  # key, value
                return {safe_key(key): value for key, value in pairs}
    raise machine.refuse("a dictionary is not made of pairs")


def _default_dictionary(machine: Machine, args: tuple[object, ...]) -> object:
    """Make a plain dictionary: what would be made of missing entries is never made."""
    if not args or not isinstance(args[0], Named | None):
        raise machine.refuse("a dictionary with defaults has none")
    return _dictionary(machine, args[1:])


def _items(machine: Machine, args: tuple[object, ...]) -> object:
    """Make a list for a set: nothing here asks for one, and a list need not hash."""
    match args:
        case ():
            return []
        case (list() | tuple() as items,):
            return items
    raise machine.refuse("a set is not made of a list")


def _complex(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case (float(real), float(imaginary)):
            return complex(real, imaginary)
    raise machine.refuse("a complex number is not made of two others")


def _octets(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case ():
            return b""
        case (bytes() | bytearray() as octets,):
            return octets
        case (str(), str()):
            return _encode(machine, args)
    raise machine.refuse("bytes are not made of bytes")


def _encode(machine: Machine, args: tuple[object, ...]) -> object:
    """Make bytes of a text, which is how protocol 2 writes them."""
    match args:
        case (str(text), "latin1" | "latin-1"):
            machine.spend(len(text))
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise machine.refuse("bytes are written as letters that are none") from error
    raise machine.refuse("bytes are written in an encoding other than Latin-1")


def _numpy_type(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case (str(code), *_):
            return NumpyType(code)
    raise machine.refuse("a type of numpy's has no name")


def _numpy_array(machine: Machine, args: tuple[object, ...]) -> object:
    match args:
        case (Named(name="numpy.ndarray"), tuple(), _):
            return NumpyArray()
    raise machine.refuse("an array is not one of numpy's")


def _numpy_buffer(machine: Machine, args: tuple[object, ...]) -> object:
    """Make an array as protocol 5 writes it: (bytes, type, shape, order)."""
    match args:
        case (content, NumpyType() as dtype, tuple(shape), str(order)):
            return NumpyArray(shape, dtype, content, is_fortran=order == "F")
    raise machine.refuse("an array is not made of bytes, a type and a shape")


def _numpy_scalar(machine: Machine, args: tuple[object, ...]) -> object:
    """Make one number; what is no plain number is only recorded."""
    match args:
        case (NumpyType() as kind, content):
            dtype = kind.find()
            octets = as_octets(content)
            if dtype is None or octets is None or len(octets) != dtype.itemsize:
                return Record("numpy.scalar")
            return np.frombuffer(octets, dtype)[0].item()
    raise machine.refuse("a number of numpy's has no type")


def as_octets(content: object) -> bytes | bytearray | None:
    """Give the bytes that a value is, or that Python 2 wrote as text."""
    match content:
        case bytes() | bytearray():
            return content
        case str():
            return content.encode("utf-8", "surrogateescape")
    return None


TENSORS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
TENSOR_CLASSES = {"torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"}
REFUSED = {
    "torch._utils._rebuild_qtensor": "a quantized tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without numbers (device 'meta')",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "torch._utils._rebuild_xla_tensor": "a tensor of another device",
}
QUANTIZED = tuple(
    f"torch.{name}"
    for name in ("QInt8Storage", "QInt32Storage", "QUInt8Storage", "QUInt4x2Storage")
)
DICTIONARIES = (
    "builtins.dict",
    "collections.Counter",
    "collections.OrderedDict",
    "easydict.EasyDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
RECORDS = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "datetime.timezone",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "torch.device",
    "torch.serialization._get_layout",
)
TYPES = ("bool", "float", "int", "long", "str", "tuple", "unicode")  # two of them Python 2's
CONSTANTS = (
    *(f"builtins.{name}" for name in TYPES),
    *(f"torch.{name}" for name in ELEMENTS),
    *(f"torch.{name}" for name in ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")),
    *(f"torch.{name}" for name in ("complex32", "quint8", "qint8", "qint32", "quint4x2")),
    *(f"torch.{name}" for name in ("contiguous_format", "channels_last", "preserve_format")),
    *(f"torch.{name}" for name in ("per_tensor_affine", "per_channel_affine")),
    *QUANTIZED,
    *TENSOR_CLASSES,
    "numpy.ndarray",
)

ALLOWED: dict[str, Builder | None] = (
    dict.fromkeys((*CONSTANTS, *STORAGE_ELEMENTS), None)
    | TENSORS
    | {name: _refused(kind) for name, kind in REFUSED.items()}
    | {name: _recorded(name) for name in RECORDS}
    | dict.fromkeys(DICTIONARIES, _dictionary)
    | {
        "_codecs.encode": _encode,
        "builtins.bytearray": _octets,
        "builtins.bytes": _octets,
        "builtins.complex": _complex,
        "builtins.frozenset": _items,
        "builtins.list": _items,
        "builtins.set": _items,
        "collections.defaultdict": _default_dictionary,
        "numpy._core.multiarray._reconstruct": _numpy_array,
        "numpy._core.multiarray.scalar": _numpy_scalar,
        "numpy._core.numeric._frombuffer": _numpy_buffer,
        "numpy.dtype": _numpy_type,
        "torch.Size": _size,
        "torch._tensor._rebuild_from_type_v2": _typed,
    }
)
