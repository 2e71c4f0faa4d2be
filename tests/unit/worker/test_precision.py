"""What codes are computed in follows from the processor and the codes, never from a clock."""

import gc

import numpy as np
import pytest

from zoo.domain.plan import CodesPrecision
from zoo.domain.preprocessing import Preprocessing
from zoo.worker import precision
from zoo.worker.importing import uncollected
from zoo.worker.precision import Choice, choose_precision, has_bfloat16, measure_change

AUTO, FP32, BF16 = CodesPrecision.AUTO, CodesPrecision.FP32, CodesPrecision.BF16
LARGE = Preprocessing(resize_px=256, crop_px=(227, 227))
SMALL = Preprocessing(resize_px=32, crop_px=(95, 227))


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Have the machine tell of its processor what a function is given."""

    def tell(flags):
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: {flags}\n\n" * 2)
        monkeypatch.setattr(precision, "CPU_INFO", path)

    return tell


@pytest.mark.parametrize(
    ("flags", "has"),
    [("fpu avx512f avx512_bf16 fsrm", True), ("fpu amx_bf16", True), ("fpu avx512f avx2", False)],
)
def test_the_processor_tells_whether_it_multiplies_in_bfloat16(told, flags, has):
    told(flags)
    assert has_bfloat16() is has


def test_a_machine_that_tells_nothing_computes_in_fp32(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    assert not has_bfloat16()
    assert not Choice.of(AUTO, LARGE).is_weighed


def test_bfloat16_is_weighed_for_large_pictures_or_when_it_is_asked_for(told):
    told("avx512_bf16")
    assert Choice.of(AUTO, LARGE).is_weighed
    assert not Choice.of(AUTO, SMALL).is_weighed
    assert not Choice.of(FP32, LARGE).is_weighed
    told("avx2")
    assert not Choice.of(AUTO, LARGE).is_weighed
    assert Choice.of(BF16, SMALL).is_weighed


@pytest.fixture
def codes():
    """Codes of 8 pictures whose mean is far above what tells them apart."""
    return 100 + np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)


def moved(codes, share):
    """Move codes by a share of their spread."""
    noise = np.random.default_rng(1).normal(size=codes.shape)
    spread = np.linalg.norm(codes - codes.mean(axis=0))
    return (codes + share * spread * noise / np.linalg.norm(noise)).astype(np.float32)


def test_a_change_is_measured_by_what_tells_pictures_apart(codes):
    assert measure_change(codes, moved(codes, 0.03)) == pytest.approx(0.03, rel=1e-2)
    assert measure_change(codes, codes) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_an_infinite_change(codes, wrong):
    other = codes.copy()
    other[0, 0] = wrong
    assert measure_change(codes, other) == np.inf
    assert measure_change(codes[:1], codes[:1]) == np.inf  # one picture has no spread


def test_codes_that_move_little_are_taken_in_bfloat16(codes):
    chosen = choose_precision(AUTO, {"a": codes}, {"a": moved(codes, 0.03)})
    assert chosen.is_bf16
    assert "3.0% of their spread" in chosen.because[0]
    assert chosen.as_json() == {"precision": "bf16", "bf16_change": chosen.change}


def test_one_tap_whose_codes_move_far_has_all_in_fp32(codes):
    exact = {"a": codes, "b": codes}
    chosen = choose_precision(AUTO, exact, {"a": codes, "b": moved(codes, 0.06)})
    assert chosen.precision is FP32
    assert "6.0% of their spread" in chosen.because[0]


def test_what_is_asked_for_is_done_and_its_change_told(codes):
    chosen = choose_precision(BF16, {"a": codes}, {"a": moved(codes, 0.5)})
    assert chosen.is_bf16
    assert "as asked for" in chosen.because[0]
    assert chosen.change == pytest.approx(0.5, rel=1e-2)


def test_imports_are_not_collected_and_later_objects_are():
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()
    with pytest.raises(ImportError), uncollected():
        import nothing_of_this_name  # noqa: F401, PLC0415
    assert gc.isenabled()


@pytest.mark.parametrize("asked", [CodesPrecision.AUTO, CodesPrecision.BF16])
def test_identical_pictures_do_not_tell_what_bfloat16_changes(codes, asked):
    """In fp32 their mean differs from each of them by rounding alone."""
    same = np.repeat(codes[:1], 7, axis=0)
    chosen = choose_precision(asked, {"codes": same}, {"codes": moved(same, 0.01)})
    assert chosen.is_bf16 == (asked is CodesPrecision.BF16)
    assert chosen.as_json()["bf16_change"] is None
    assert "too alike to tell" in chosen.because[0]
    assert "%" not in chosen.because[0]
