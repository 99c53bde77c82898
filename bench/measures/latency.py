"""line_latency_ms: from the child's write of a line to the frame at one watcher, in real time."""

from bench.figures import percentile
from bench.loglines import DAY_US, STAMP, stamp_us
from bench.rig import Rig
from bench.watchers import Watcher

REPEATS = 5
LINES, PAUSE_MS = 400, 15


def latencies_ms(watcher: Watcher, log: bytes) -> list[float]:
    """Return for each generated line how long it was on its way to the watcher."""
    found, start = [], 0
    for received_ns, end in watcher.frames:
        received = received_ns // 1000 % DAY_US
        for text in log[start:end].splitlines():
            if is_generated(text):
                found.append((received - stamp_us(text)) % DAY_US / 1000)
        start = end
    return found


def is_generated(text: bytes) -> bool:
    """Tell whether a line is one of the generator's."""
    return len(text) > 70 and text[2:3] == b":" and text[STAMP + 1 : STAMP + 8].isdigit()


def measure(rig: Rig) -> None:
    """Watch five runs that print a line every 15 ms, which no flush interval divides."""
    lab = rig.fake
    p50, p99 = [], []
    for number in range(REPEATS):
        lab.tenant(f"latency{number}")
        run_id = lab.start(
            f"latency{number}", flood_lines=LINES, flood_line_ms=PAUSE_MS, flood_id="paced"
        )
        (watcher,) = rig.watchers(lab, run_id, 1)
        lab.client.wait_end(run_id)
        found = latencies_ms(watcher, lab.client.log(run_id))
        p50.append(percentile(found, 50))
        p99.append(percentile(found, 99))
    rig.report.tell("line_latency_ms_p50", p50, lines=LINES * REPEATS)
    rig.report.tell("line_latency_ms_p99", p99, lines=LINES * REPEATS)
