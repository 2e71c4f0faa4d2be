"""Modules without numbers: libraries draw weights for what is going to be loaded anyway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.overrides import TorchFunctionMode


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
def undrawn() -> Iterator[None]:
    """Build modules without drawing their weights, nor from anybody's random numbers."""
    with torch.random.fork_rng(devices=[]), _NoDrawing():
        yield


def unset(network: GraphModule) -> None:
    """Let weights be unset: predicting with one that was never loaded should fail loudly."""
    emptied: dict[int, Tensor] = {}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            empty = torch.empty_like(parameter, device="meta")
            fresh = nn.Parameter(empty, requires_grad=parameter.requires_grad)
            setattr(module, name, emptied.setdefault(id(parameter), fresh))
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            if name not in module._non_persistent_buffers_set:  # noqa: SLF001  # torch has no other way to tell
                setattr(module, name, torch.empty_like(buffer, device="meta"))
