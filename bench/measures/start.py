"""start_first_s, start_again_s: the launcher, after the install step, until HTTP 200."""

from bench.portal import Portal
from bench.rig import Rig

REPEATS = 5


def measure(rig: Rig) -> None:
    """Start five portals with nothing in their folder, and each of them again."""
    rig.release()
    first, again = [], []
    for _ in range(REPEATS):
        with Portal() as portal:
            first.append(portal.started_s)
            portal.stop()
            again.append(portal.start())
    rig.report.tell("start_first_s", first)
    rig.report.tell("start_again_s", again)
