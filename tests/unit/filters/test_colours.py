import numpy as np

from zoo.filters.colours import DIVERGING, paint, paint_rgb


def lightness(pixels):
    """Give CIE L* of sRGB colours."""
    share = pixels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(np.maximum(luminance, 0.008856)) - 16


def test_lightness_falls_from_0_to_both_ends():
    found = lightness(DIVERGING)
    middle = len(DIVERGING) // 2
    assert np.all(np.diff(found[:middle]) > 0)
    assert np.all(np.diff(found[middle + 1 :]) < 0)
    assert found[middle] > 95


def test_neither_sign_looks_stronger():
    found = lightness(DIVERGING)
    assert np.max(np.abs(found - found[::-1])) < 8  # of 100: the two scales of lightness differ


def test_steps_are_even():
    steps = np.abs(np.diff(lightness(DIVERGING)))
    assert steps.max() < 2 * np.median(steps)


def test_below_0_is_blue_and_above_red():
    below, zero, above = paint(np.array([-1.0, 0.0, 1.0])).astype(int)
    assert below[2] > below[0] + 100
    assert above[0] > above[2] + 100
    assert np.ptp(zero) <= 1


def test_what_lies_beyond_the_ends_is_the_end():
    assert np.array_equal(paint(np.array([-7.0, 9.0])), DIVERGING[[0, -1]])


def test_what_is_not_finite_has_a_colour_of_its_own():
    marked = paint(np.array([np.nan, np.inf, -np.inf]))
    assert np.array_equal(marked, [(255, 0, 255)] * 3)
    assert not (marked[0] == DIVERGING).all(axis=1).any()
    tile = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0]])
    assert paint_rgb(tile).tolist() == [[255, 0, 255], [128, 128, 128]]


def test_a_colour_is_grey_at_0_and_full_at_1():
    assert paint_rgb(np.array([[0.0, 1.0, -1.0]])).tolist() == [[128, 255, 0]]
