"""Tiles give every cell of a side once, each from all the pixels that it sees."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.geometry import Side
from zoo.serving.tiles import plan_spans, smallest_tile_px

CAFFENET = Side(stride_px=32, window_px=355, start_px=-64, shift_px=-167, smallest_px=199)


@st.composite
def sides(draw):
    """Draw a side: padding at both ends, windows shorter and longer than the stride, cropping."""
    stride, window = draw(st.integers(1, 9)), draw(st.integers(1, 30))
    start, behind = draw(st.integers(-40, 5)), draw(st.integers(-5, 12))
    side = Side(
        stride_px=stride,
        window_px=window,
        start_px=start,
        shift_px=stride - start - window + behind,
        smallest_px=1,
    )
    least = next(size for size in itertools.count(1) if side.cells(size))
    smallest = least + draw(st.integers(0, 4))
    return Side(
        stride_px=stride,
        window_px=window,
        start_px=start,
        shift_px=side.shift_px,
        smallest_px=smallest,
    )


@given(sides(), st.integers(0, 300), st.integers(0, 40))
def test_every_cell_is_given_once_by_a_tile_that_holds_what_it_sees(side, more_px, spare_px):
    size, most = side.smallest_px + more_px, smallest_tile_px(side) + spare_px
    spans = plan_spans(side, size, most)
    given_cells = [cell for span in spans for cell in range(span.first, span.last)]
    assert given_cells == list(range(side.cells(size)))
    for span in spans:
        assert span.begin_px % side.stride_px == 0
        assert 0 <= span.begin_px < span.end_px <= size
        assert span.end_px - span.begin_px <= most
        of_tile = side.cells(span.end_px - span.begin_px)
        assert 0 <= span.kept.start < span.kept.stop <= of_tile
        for cell, own in zip(range(span.first, span.last), range(of_tile)[span.kept], strict=True):
            begin, end = side.window(cell)
            own_begin, own_end = side.window(own)
            assert (own_begin, own_end) == (begin - span.begin_px, end - span.begin_px)
            assert begin >= span.begin_px or span.begin_px == 0
            assert end <= span.end_px or span.end_px == size


@given(sides(), st.integers(0, 300), st.integers(0, 40))
def test_all_tiles_but_the_last_are_of_one_size(side, more_px, spare_px):
    spans = plan_spans(side, side.smallest_px + more_px, smallest_tile_px(side) + spare_px)
    assert len({span.end_px - span.begin_px for span in spans[:-1]}) <= 1


def test_a_picture_that_fits_is_one_tile():
    (span,) = plan_spans(CAFFENET, 500, 500)
    assert (span.begin_px, span.end_px, span.first, span.last) == (0, 500, 0, 10)
    assert span.kept == slice(0, 10)


def test_neighbours_share_what_the_windows_at_their_border_ask_for():
    first, second, *_, last = plan_spans(CAFFENET, 1000, 500)
    # Cells 0 to 6 end within 500 pixels, at 483; cell 7 sees the pixels from 160 on.
    assert (first.begin_px, first.end_px, first.kept) == (0, 483, slice(0, 7))
    assert (second.begin_px, second.end_px, second.kept) == (160, 643, slice(2, 7))
    # The windows of the last two cells reach over the picture's end.
    assert (last.begin_px, last.end_px, last.kept) == (640, 1000, slice(2, 6))
    assert CAFFENET.window(25)[1] > CAFFENET.window(24)[1] > 1000 > CAFFENET.window(22)[1]


def test_the_smallest_tile_holds_a_window_and_the_cells_before_it():
    assert smallest_tile_px(CAFFENET) == 64 + 291
    spans = plan_spans(CAFFENET, 2000, 355)
    assert [span.last - span.first for span in spans] == [3, *[1] * 51, 3]


@pytest.mark.parametrize("size_px", [0, 1, 198])
def test_a_picture_without_a_cell_needs_no_tiles(size_px):
    assert plan_spans(CAFFENET, size_px, 400) == []
