"""All that serves: the open predictors, the queue before them, and what is counted."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.images.turns import Turns
from zoo.serving.asking import Desk
from zoo.serving.cuda import RUNS_AT_ONCE
from zoo.serving.device import comes_up_on_cuda
from zoo.serving.dispatcher import Dispatcher
from zoo.serving.figures import Figures
from zoo.serving.lane import Lane
from zoo.serving.lines import Lines, Target
from zoo.serving.loading import Loading
from zoo.serving.memory import Trimming, give_back
from zoo.serving.optimised import GraphCache
from zoo.serving.pair import Runners
from zoo.serving.queue import Queue
from zoo.serving.shelf import Shelf
from zoo.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a process holds open to answer requests."""

    lines: Lines  # served names, and the shelf of predictors behind them
    desk: Desk  # the queue, the runners and the figures
    turns: Turns  # before pictures are decoded
    trimming: Trimming
    at_work: set[int]
    """Threads that answer a request just now, whose body is here: each keeps a core busy."""
    unloaded: set[tuple[str, str]] = field(default_factory=set)
    """Models and revisions that were unloaded by hand and not asked for since."""
    known: dict[Hashable, tuple[int, Target]] = field(default_factory=dict)
    """What was found for an address, and at which version of the catalog."""

    @classmethod
    def open(cls, settings: Settings, *, cache: Path) -> "Service":
        """Make a service of the size the settings allow, with nothing loaded yet."""
        figures, trimming = Figures(), Trimming()
        turns = Turns(settings.decoding_bytes, after_large=trimming.soon)
        at_work = set[int]()

        def others() -> int:
            """Count the threads that keep cores busy beside the runs."""
            return max(turns.holders, len(at_work) - runners.busy)

        runners, lane = Runners(others=others), Lane()
        if comes_up_on_cuda(settings.device):
            runners = Runners(count=RUNS_AT_ONCE)

        def trim() -> None:
            lane.tidy()
            give_back()

        queue = Queue(most_pictures=settings.queue_pictures, most_bytes=settings.queue_bytes)
        return cls(
            lines=Lines(
                shelf=Shelf(most_bytes=settings.served_bytes, trim=trim),
                loading=Loading(
                    device=settings.device,
                    run_bytes=settings.run_bytes,
                    answer_bytes=settings.max_answer_bytes,
                    cache=GraphCache(folder=cache, most_bytes=settings.cache_bytes),
                    runners=runners,
                    lane=lane,
                ),
            ),
            desk=Desk(
                figures=figures,
                dispatcher=Dispatcher(runners=runners, queue=queue, watch=figures.count_run),
            ),
            turns=turns,
            trimming=trimming,
            at_work=at_work,
        )

    @property
    def shelf(self) -> Shelf:
        """Give the predictors that are held open."""
        return self.lines.shelf

    @property
    def figures(self) -> Figures:
        """Give what is counted."""
        return self.desk.figures

    def close(self) -> None:
        """Answer what was taken in, and take nothing more."""
        self.desk.dispatcher.close()
        self.lines.close()
