"""How one side of a picture is cut so that the cells of its tiles are the cells of the whole.

A tile begins at a multiple of the stride, so the maps of all layers inside it are cut out of those
of the whole picture. A cell of a tile is kept where its window lies inside the tile, or reaches
over an edge that is the picture's own: there it sees the same padding.
"""

from dataclasses import dataclass

from zoo.domain.geometry import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The pixels of one tile, and which cells of the whole map it gives."""

    begin_px: int
    end_px: int
    first: int  # cell of the whole map
    last: int  # the cell behind the last one kept
    skipped: int  # cells of the tile's own map before the first one kept

    @property
    def kept(self) -> slice:
        """Give the cells of the tile's own map that are kept."""
        return slice(self.skipped, self.skipped + self.last - self.first)


def smallest_tile_px(side: Side) -> int:
    """Give the smallest tile from which a picture of any size can be assembled.

    It holds one window and the cells before it that reach over its beginning. And it holds the
    smallest picture, wherever in a stride it begins.
    """
    one_cell = side.stride_px * _lead(side) + _reach_px(side)
    return max(one_cell, side.smallest_px + side.stride_px - 1)


def plan_spans(side: Side, size_px: int, tile_px: int) -> list[Span]:
    """Cut a side of ``size_px`` into tiles of at most ``tile_px``, no fewer than its smallest.

    Every tile but the last has the same size, the largest at which its last pixel is still read.
    Neighbours share no more pixels than the windows at their border ask for.
    """
    cells, spans, cell = side.cells(size_px), list[Span](), 0
    while cell < cells:
        begin = side.stride_px * max(cell - _lead(side), 0)
        if begin + tile_px >= size_px:
            # The formula may promise a cell where a layer between lacks the pixels for one.
            begin = min(begin, _aligned(side, max(size_px - side.smallest_px, 0)))
            end, last = size_px, cells
        else:
            last = (begin + tile_px - _reach_px(side)) // side.stride_px + 1
            end = max(side.stride_px * (last - 1) + _reach_px(side), begin + side.smallest_px)
        skipped = cell - begin // side.stride_px
        spans.append(Span(begin_px=begin, end_px=end, first=cell, last=last, skipped=skipped))
        cell = last
    return spans


def _lead(side: Side) -> int:
    """Count the cells at the beginning of a tile whose windows begin before it."""
    return max(-(side.start_px // side.stride_px), 0)


def _reach_px(side: Side) -> int:
    """Count the pixels until the first cell's window ends and the formula counts that cell."""
    return max(side.window(0)[1], side.stride_px - side.shift_px)


def _aligned(side: Side, pixel: int) -> int:
    """Give the last multiple of the stride up to a pixel."""
    return pixel // side.stride_px * side.stride_px
