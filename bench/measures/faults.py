"""faults: what is killed, stopped and taken away while runs apply, and what has become of them."""

import random
import time
from dataclasses import dataclass, field

from bench.broker import Broker
from bench.figures import percentile, say
from bench.lab import Lab
from bench.measures import fault_kinds
from bench.measures.faulted import Faulted
from bench.portal import BenchFailed
from bench.rig import Rig

SEED = 4711


@dataclass
class Count:
    """What went wrong, over all faults; recoveries in seconds by kind of fault."""

    lost: dict[str, int] = field(default_factory=dict)
    doubles: dict[str, int] = field(default_factory=dict)
    stuck: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)

    def add(self, kind: str, runs: list[Faulted], recoveries: list[float]) -> None:
        """Take what the runs of one kind of fault have come to."""
        for counter, name in (
            (self.lost, "lost_lines"), (self.doubles, "double_applies"),
            (self.stuck, "is_stuck"), (self.wrong, "is_wrong"),
        ):  # fmt: skip
            counter[kind] = sum(int(getattr(run, name)) for run in runs)
        self.recoveries[kind] = [round(seconds, 2) for seconds in recoveries]
        worst = max(recoveries, default=float("nan"))
        say(
            f"{kind}: {len(runs)} runs, {len(recoveries)} recoveries, the longest {worst:.1f} s; "
            f"{self.lost[kind]} lines lost, {self.doubles[kind]} applied twice, "
            f"{self.stuck[kind]} stuck, {self.wrong[kind]} with a wrong status"
        )
        for run in runs:
            for complaint in run.complaints:
                say(f"  {run.name}: {complaint}")


def measure(rig: Rig) -> None:
    """Do each kind of fault to runs of the real engine, in a portal of its own."""
    rig.release()
    random.seed(SEED)
    broker = Broker()
    lab = None
    count, void = Count(), ""
    try:
        lab = Lab(rig.folder / "faults", REDIS_URL=broker.url)
        for kind, work in fault_kinds.ALL.items():
            begun = time.monotonic()
            try:
                runs, recoveries = work(rig, lab, broker)
            except BenchFailed as problem:
                void = f"{kind}: {problem}"
                say("\n    ".join([void, *lab.portal.lines[-25:]]))
                continue
            count.add(kind, runs, recoveries)
            say(f"{kind}: {time.monotonic() - begun:.0f} s")
    finally:
        if lab is not None:
            lab.close()
        broker.close()
        rig.release()
    for figure, found in (
        ("faults_lost_lines", count.lost), ("faults_double_applies", count.doubles),
        ("faults_stuck", count.stuck), ("faults_wrong_status", count.wrong),
    ):  # fmt: skip
        rig.report.tell(figure, [*found.values()], value=sum(found.values()), void=void, by=found)
    everything = [seconds for found in count.recoveries.values() for seconds in found]
    slow = percentile(everything, 95) if everything else float("nan")
    rig.report.tell("faults_recovery_s_p95", everything, value=slow, void=void, by=count.recoveries)
