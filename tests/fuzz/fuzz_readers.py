"""Damage small files of every format by the thousand and see that readers refuse them well.

    python tests/fuzz/fuzz_readers.py --inputs 100000 --seed 0 --format caffemodel

Each input is read to its end. A breach is: an error that is no ZooError, more than 5 s of CPU, more
memory than twice the file and 8 MiB, or anything else than the file touched (files, modules,
processes, sockets, code). What broke is kept in ``--keep``, and the exit status is 1.
An input is named by the seed and its number, so one run can be repeated in parts: ``--first``.
With ``--bombs``, files made to harm are read instead, each in at most a second.
"""

import argparse
import codecs
import os
import random
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

import fuzz_bombs  # noqa: E402
import fuzz_mutations  # noqa: E402
import fuzz_targets  # noqa: E402
import fuzz_watch  # noqa: E402

BOMB_CPU_S = 1.0
ENCODINGS = ("utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le")  # that a JSON text may be in
MOST_TOLD = 20  # breaches of one format


def main():
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="zoo-fuzz-"))
    breaches = 0
    warnings.simplefilter("error")
    try:
        if options.bombs:
            breaches = _explode(folder, options)
        else:
            for name in options.format or fuzz_targets.TARGETS:
                breaches += _fuzz(name, folder / f"input{_target(name).suffix}", options)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return 1 if breaches else 0


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000, help="of each format")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--traced-every",
        type=int,
        default=1,
        metavar="N",
        help="look at the memory of every Nth input only, which is several times faster",
    )
    parser.add_argument("--format", action="append", choices=sorted(fuzz_targets.TARGETS))
    parser.add_argument("--bombs", action="store_true", help="read files that are made to harm")
    parser.add_argument(
        "--patience", type=float, default=1, help="how many times as long as stated is allowed"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that broke something")
    return parser.parse_args()


def _target(name):
    return fuzz_targets.TARGETS[name]


def _fuzz(name, path, options):
    """Read so many damaged files of one format; print what came of it."""
    target = _target(name)
    seeds = target.seeds()
    watch = _warm_up(target, seeds, path)
    outcomes, told = Counter(), Counter()
    start_s = time.monotonic()
    dearest_s = 0.0
    for number in range(options.first, options.first + options.inputs):
        rng = random.Random(f"{options.seed}/{name}/{number}")
        octets = fuzz_mutations.mutate(rng, seeds, target.tokens, target.structural)
        path.write_bytes(octets)
        before_s = time.process_time()
        run = watch.run if number % options.traced_every else watch.run_traced
        outcome, breaches = run(target.read, cpu_s=fuzz_watch.CPU_S * options.patience)
        if options.traced_every > 1:
            tracemalloc.stop()
        dearest_s = max(dearest_s, time.process_time() - before_s)
        outcomes[outcome or "read"] += 1
        for breach in breaches:
            told[breach] += 1
            if told[breach] == 1 and len(told) <= MOST_TOLD:
                print(f"  BREACH {name} input {number} ({len(octets)} bytes): {breach}", flush=True)
                _keep(options.keep, f"{name}-{options.seed}-{number}", octets)
    _report(name, outcomes, told, time.monotonic() - start_s, dearest_s)
    return sum(told.values())


def _warm_up(target, seeds, path):
    """Read the seeds and some damaged ones first: what is imported then is imported once."""
    rng = random.Random("warm up")
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    for octets in [*seeds, b"", b"text", b"PK\3\4"]:
        for damaged in (octets, *(fuzz_mutations.mutate(rng, seeds, (), None) for _ in range(8))):
            path.write_bytes(damaged)
            try:
                target.read(path)
            except Exception:  # noqa: BLE001  # The real run tells.
                traceback.format_exc()
    watch = fuzz_watch.Watch(path)
    watch.start()
    return watch


def _report(name, outcomes, told, wall_s, dearest_s):
    total = sum(outcomes.values())
    print(
        f"{name}: {total} inputs in {wall_s:.0f} s ({total / max(wall_s, 1e-9):.0f}/s), dearest "
        f"{1000 * dearest_s:.0f} ms; {sum(told.values())} breaches of {len(told)} kinds"
    )
    for outcome, count in outcomes.most_common():
        print(f"  {count:8} {outcome}")
    sys.stdout.flush()


def _keep(folder, name, octets):
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)


def _explode(folder, options):
    """Read every file that is made to harm; all must be refused, and quickly."""
    broken = 0
    watches = {}
    for title, name, make in fuzz_bombs.BOMBS:
        if options.format and name not in options.format:
            continue
        target = _target(name)
        path = folder / f"bomb-{name}{target.suffix}"
        if name not in watches:
            watches[name] = _warm_up(target, target.seeds(), path)
        octets = make()
        path.write_bytes(octets)
        before_s = time.process_time()
        allowed_s = BOMB_CPU_S * options.patience
        outcome, breaches = watches[name].run(target.read, cpu_s=allowed_s)
        taken_s = time.process_time() - before_s
        breaches += watches[name].run_traced(target.read, cpu_s=10 * allowed_s)[1]
        tracemalloc.stop()  # It slows down what is timed.
        if not outcome and title not in fuzz_bombs.HARMLESS:
            breaches.append("it was read")
        broken += len(breaches)
        told = "; ".join(breaches)
        print(f"{1000 * taken_s:6.0f} ms {len(octets):9} bytes {outcome or 'read':22} {title}")
        if told:
            print(f"       BREACH {told}")
            _keep(options.keep, title.replace(" ", "-").replace("/", "-"), octets)
        sys.stdout.flush()
    if os.path.exists("/tmp/zoo-fuzz-was-run"):  # noqa: PTH110
        print("BREACH: a pickle was run")
        broken += 1
    return broken


if __name__ == "__main__":
    sys.exit(main())
