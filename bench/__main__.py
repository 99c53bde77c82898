"""`python -m bench [--only NAME]`: prints one JSON line per figure."""

import argparse
import signal
import sys
import time

from bench.figures import Report, say
from bench.measures import ALL, chosen
from bench.portal import BenchFailed
from bench.rig import Rig


def main() -> int:
    """Measure; returns 1 when a figure missed its limit or could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAME", help="a measurement or a figure")
    wanted = chosen(parser.parse_args().only)
    if not wanted:
        names = ", ".join([*ALL, *(figure for _, figures in ALL.values() for figure in figures)])
        print(f"There is no such figure. There are: {names}", file=sys.stderr)
        return 2
    # `kill` shall stop all that was started as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    report = Report()
    try:
        with Rig(report) as rig:
            for name in wanted:
                _measure(rig, name)
    except KeyboardInterrupt:
        say("stopped")
        return 130
    say(f"{time.monotonic() - begun:.0f} s in all; missed: {', '.join(report.missed) or 'none'}")
    return 1 if report.missed else 0


def _measure(rig: Rig, name: str) -> None:
    """Do one measurement; what cannot be measured is a figure that missed."""
    measure, figures = ALL[name]
    begun = time.monotonic()
    say(f"{name} …")
    try:
        measure(rig)
    except (BenchFailed, OSError, RuntimeError, LookupError, ValueError) as problem:
        for figure in figures:
            text = f"{type(problem).__name__}: {problem}"
            rig.report.tell(figure, [], value=float("nan"), void=text[:2000])
        rig.release()
    say(f"{name}: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
