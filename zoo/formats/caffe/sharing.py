"""Which blobs of which layers are one: those whose ``param`` bear the same name.

Source: ``Net::AppendParam`` in BVLC/caffe. The first layer that uses a name owns the blob.
"""

from zoo.errors import Unsupported
from zoo.formats.caffe.net import BN, BatchNorm, InnerProduct, Layer, Shared
from zoo.formats.caffe.slots import blob_names
from zoo.formats.caffe.tree import Message

STATISTICS = ("mean", "variance", "factor")
SHARE_MODES = {0: "STRICT", 1: "PERMISSIVE"}


class Owners:
    """The owners of named blobs, in the order their layers come in."""

    def __init__(self) -> None:
        self.owned: dict[str, tuple[Layer, int]] = {}

    def find_shares(self, layer: Message, made: Layer) -> tuple[Shared, ...]:
        """Find what a layer shares with those above; what it names first it owns.

        Raises:
            MalformedPrototxt: the layer names more blobs than it has.
            Unsupported: what it shares cannot be one array in the zoo.
        """
        specs = layer.messages("param")
        count = len(blob_names(made))
        shares, owned = [], {}
        for index, spec in enumerate(specs):
            spec.skip("lr_mult", "decay_mult")
            name = spec.text("name")
            mode = spec.choice("share_mode", SHARE_MODES, "STRICT")
            if name and index >= count:
                raise layer.refuse(
                    f"layer {made.name!r} has {count} blobs; its param {name!r} is none of them"
                )
            if name in self.owned:
                owner, owner_index = self.owned[name]
                shared = Shared(
                    index=index,
                    owner=owner.name,
                    owner_index=owner_index,
                    is_permissive=mode == "PERMISSIVE",
                )
                _check_layout(made, owner, shared)
                shares.append(shared)
            elif name:
                owned[name] = (made, index)
        is_statistics = isinstance(made.parameters, BN | BatchNorm)
        if is_statistics and shares and (len(shares) < count or count != len(STATISTICS)):
            raise Unsupported("shares only a part of its statistics, or a scale with them")
        self.owned |= owned
        return tuple(shares)

    @staticmethod
    def of(layer: Layer) -> tuple[Shared, ...]:
        """Say how another layer shares all blobs of this one, which may be shared themselves."""
        shares = {shared.index: shared for shared in layer.shares}
        return tuple(
            shares.get(index, Shared(index=index, owner=layer.name, owner_index=index))
            for index in range(len(blob_names(layer)))
        )


def _check_layout(layer: Layer, owner: Layer, shared: Shared) -> None:
    """Refuse to share numbers that the two layers lay out, or count, in different ways."""
    kinds = {isinstance(each.parameters, BatchNorm) for each in (layer, owner)}
    if True in kinds and (len(kinds) > 1 or shared.index != shared.owner_index):
        raise Unsupported(f"shares statistics with {owner.name!r} in another form")
    turned = {_is_turned(layer, shared.index), _is_turned(owner, shared.owner_index)}
    if True in turned and (len(turned) > 1 or shared.is_permissive):
        raise Unsupported(f"shares a transposed weight with {owner.name!r}")


def _is_turned(layer: Layer, index: int) -> bool:
    parameters = layer.parameters
    return isinstance(parameters, InnerProduct) and parameters.is_transposed and index == 0
