"""Two sessions of one graph: one spreads a run over all cores, one keeps it on the core it is on.

Spreading shortens a run that is alone. Where as many threads work as there are cores it shortens
none, and costs each: 5 % of ResNet-18, 11 % of SqueezeNet on two cores. A session cannot
be told for one run, so there are two; they share their weights, which are mapped from one file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.serving.cores import count_cores


@dataclass(slots=True, kw_only=True, eq=False)
class Runners:
    """How many runs may be under way at once, and how many are; the dispatcher counts them."""

    count: int = field(default_factory=count_cores)
    busy: int = 0
    others: Callable[[], int] = lambda: 0
    """Counts the threads that keep cores busy besides, as those do that work on requests."""

    @property
    def are_all_busy(self) -> bool:
        """Tell whether as many runs are under way as may be."""
        return self.busy >= self.count

    @property
    def are_cores_busy(self) -> bool:
        """Tell whether no core is left that could take a part of a run."""
        return self.busy + self.others() >= self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The sessions of a graph, used as one; safe to be used by many threads."""

    wide: Any  # a run uses every core
    narrow: Any  # a run uses one
    runners: Runners

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Run the session that is cheaper just now."""
        session = self.narrow if self.runners.are_cores_busy else self.wide
        answer: list[Any] = session.run(outputs, inputs)
        return answer

    def get_inputs(self) -> list[Any]:
        """Describe what the graph takes, as ONNX Runtime does."""
        inputs: list[Any] = self.wide.get_inputs()
        return inputs

    def get_outputs(self) -> list[Any]:
        """Describe what the graph gives, as ONNX Runtime does."""
        outputs: list[Any] = self.wide.get_outputs()
        return outputs
