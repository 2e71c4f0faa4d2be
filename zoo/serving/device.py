"""Whether the device that was asked for is there: found out before the first request needs it."""

import ctypes

from zoo.errors import Unsupported
from zoo.serving.predictor import CUDA, NVIDIA_DRIVER, Opening, open_bare, wants_cuda

LIBRARIES = ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9")
# One node that gives what it takes: the smallest graph there is.
IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04'
    b"\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)


def check_device(device: str) -> None:
    """Refuse to begin where CUDA was asked for and does not come up.

    Raises:
        Unsupported: it does not; what is missing is told.
    """
    if device != "cuda":
        return
    provider = _find_provider(device)
    if provider != CUDA:
        missing = list_missing()
        raise Unsupported(
            f"CUDA was asked for, but ONNX Runtime comes up on {provider}; missing:"
            f" {', '.join(missing) or 'nothing that the zoo looks for'}.",
            hint="Install NVIDIA's driver, CUDA 13, cuDNN 9 and onnxruntime-gpu (without"
            " onnxruntime beside it), or set ZOO_DEVICE=cpu.",
            provider=provider,
            missing=missing,
        )


def comes_up_on_cuda(device: str) -> bool:
    """Tell whether sessions really run on CUDA here; a driver alone does not say it."""
    return wants_cuda(device) and _find_provider(device) == CUDA


def _find_provider(device: str) -> str:
    provider: str = open_bare(IDENTITY, Opening(device=device)).get_providers()[0]
    return provider


def list_missing() -> list[str]:
    """List what CUDA needs and this machine lacks."""
    import onnxruntime  # noqa: PLC0415  # slow

    missing = [] if NVIDIA_DRIVER.exists() else ["the NVIDIA driver"]
    if CUDA not in onnxruntime.get_available_providers():
        missing.append("onnxruntime-gpu")
    return missing + [name for name in LIBRARIES if not _is_loadable(name)]


def _is_loadable(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
