"""Looking into models of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo
from zoo.operations import statistics

if TYPE_CHECKING:
    from zoo.domain.comparison import Comparison, Lineage
    from zoo.domain.filters import KernelStatistics, Scaling
    from zoo.domain.layers import Inventory
    from zoo.domain.revision import Revision
    from zoo.domain.statistics import ModelStatistics, Totals
    from zoo.operations.filters import FilterPicture, FilterReport


class Looking(OverZoo):
    """What is to be seen of models and of the zoo."""

    __slots__ = ()

    def list_layers(self, revision: Revision) -> Inventory:
        """List the layers of a revision's network, built where it does not tell them itself."""
        from zoo.operations.layers import find_layers  # noqa: PLC0415

        found = find_layers(self.zoo, revision)
        if found is not None:
            return found
        # Only here torch is needed, which takes seconds to load.
        from zoo.worker.layers import list_built_layers

        return list_built_layers(self.zoo, revision)

    def describe_filters(self, address: str, *, against: str | None = None) -> FilterReport:
        """Say what filters hold, and how far they moved."""
        from zoo.operations.filters import describe_filters  # noqa: PLC0415

        return describe_filters(self.zoo, address, against=against)

    def draw_filters(self, address: str, layer: str | None, *, scaling: Scaling) -> FilterPicture:
        """Draw the filters of a layer, or of the first one."""
        from zoo.operations.filters import draw_filters  # noqa: PLC0415

        return draw_filters(self.zoo, address, layer, scaling=scaling)

    def get_kernel(self, address: str, layer: str | None, index: int) -> KernelStatistics:
        """Tell the numbers of one filter of a layer, or of the first one."""
        from zoo.operations.kernels import get_kernel  # noqa: PLC0415

        return get_kernel(self.zoo, address, layer, index)

    def draw_kernel(
        self, address: str, layer: str | None, index: int, *, is_spectrum: bool
    ) -> FilterPicture:
        """Draw one filter channel by channel, or its gain for waves."""
        from zoo.operations.filters import find_view  # noqa: PLC0415
        from zoo.operations.kernels import KernelView, Shows, draw_kernel_view  # noqa: PLC0415

        shows = Shows.SPECTRUM if is_spectrum else Shows.PLANES
        view = find_view(self.zoo, address, layer)
        return draw_kernel_view(KernelView(view=view, index=index, shows=shows))

    def compare(self, old: str, new: str) -> Comparison:
        """Say what differs between two revisions."""
        from zoo.operations.compare import compare  # noqa: PLC0415

        return compare(self.zoo, old, new)

    def get_lineage(self, address: str) -> Lineage:
        """Give the tree that a revision stands in."""
        from zoo.operations.lineage import get_lineage  # noqa: PLC0415

        return get_lineage(self.zoo, address)

    def get_totals(self) -> Totals:
        """Count what the zoo holds."""
        return statistics.get_totals(self.zoo)

    def get_model_statistics(self, name: str) -> ModelStatistics:
        """Count the downloads of a model's files."""
        return statistics.get_model_statistics(self.zoo, name)
