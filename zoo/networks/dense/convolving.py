"""Layers that read rows of numbers as layers that read maps, over the same tensors."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from zoo.networks.onnx import layers as onnx

Volume = tuple[int, int, int]  # channels, height, width


@dataclass(slots=True)
class Views:
    """The weights seen in another shape; each is one tensor wherever it is read."""

    seen: dict[tuple[int, Volume, bool], nn.Parameter] = field(default_factory=dict)

    def filters(self, weight: Tensor, volume: Volume, *, is_last: bool) -> nn.Parameter:
        """See rows of numbers as filters: the same numbers in memory.

        The numbers of a row are those of a volume in the order of channels, height, width; or of
        height, width, channels where ``is_last``.
        """
        key = id(weight), volume, is_last
        if key not in self.seen:
            channels, height, width = volume
            shape = (height, width, channels) if is_last else volume
            view = weight.detach().unflatten(1, shape)
            view = view.permute(0, 3, 1, 2) if is_last else view
            self.seen[key] = nn.Parameter(view, requires_grad=weight.requires_grad)
        return self.seen[key]


def as_convolution(module: nn.Linear, volume: Volume, views: Views, *, is_last: bool) -> nn.Conv2d:
    """Give the convolution that does to every window what a fully connected layer does to one."""
    convolution = nn.Conv2d(volume[0], module.out_features, volume[1:], bias=False, device="meta")
    convolution.weight = views.filters(module.weight, volume, is_last=is_last)
    convolution.bias = module.bias
    return convolution.train(module.training)


def as_map_norm(module: nn.BatchNorm1d) -> nn.BatchNorm2d:
    """Give the batch normalisation of maps that has the numbers of one of rows."""
    norm = nn.BatchNorm2d(
        module.num_features,
        eps=module.eps,
        momentum=module.momentum,
        affine=module.affine,
        track_running_stats=module.track_running_stats,
        device="meta",
    )
    norm._parameters.update(module._parameters)  # noqa: SLF001  # the same tensors, by their names
    norm._buffers.update(module._buffers)  # noqa: SLF001  # likewise
    return norm.train(module.training)


def as_channel_constant(module: onnx.WithConstant) -> onnx.WithConstant:
    """Give the computing with numbers of a row's columns as one with numbers of channels."""
    assert module.value is not None
    value: Tensor = module.value.detach().reshape(-1, 1, 1)
    changed = onnx.WithConstant(
        module.operator, shape=tuple(value.shape), is_reversed=module.is_reversed, device="meta"
    )
    if isinstance(module.value, nn.Parameter):
        changed.value = nn.Parameter(value, requires_grad=module.value.requires_grad)
    else:
        changed.register_buffer("value", value)
    return changed
