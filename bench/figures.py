"""The figures with their limits, and the JSON line of each."""

import json
import math
import os
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# A figure measured while others use the machine says so.
BUSY_LOAD = 0.5


@dataclass(frozen=True)
class Limit:
    """What a figure must reach."""

    unit: str
    limit: float
    is_floor: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether the value is within the limit."""
        return value >= self.limit if self.is_floor else value <= self.limit


LIMITS = {
    "run_overhead_s": Limit("s", 0.6),
    "run_overhead_ratio": Limit("ratio", 1.08),
    "click_to_start_ms_p50": Limit("ms", 150),
    "click_to_start_ms_p99": Limit("ms", 400),
    "line_latency_ms_p50": Limit("ms", 80),
    "line_latency_ms_p99": Limit("ms", 200),
    "fanout_p99_ms": Limit("ms", 100),
    "fanout_lost": Limit("lines", 0),
    "fanout_ratio": Limit("ratio", 0.5, is_floor=True),
    "burst_slowdown_ratio": Limit("ratio", 1.15),
    "burst_lost": Limit("lines", 0),
    "log_bytes_ratio": Limit("ratio", 0.2),
    "worker_mb_per_run": Limit("MB", 12),
    "list_p95_ms": Limit("ms", 60),
    "list_queries_growth": Limit("queries", 0),
    "api_tenants_page_p95_ms": Limit("ms", 50),
    "api_token_check_ms": Limit("ms", 1),
    "audit_seal_rows_s": Limit("rows/s", 2000, is_floor=True),
    "audit_verify_rows_s": Limit("rows/s", 2000, is_floor=True),
    "log_page_ms": Limit("ms", 1000),
    "log_tab_mb": Limit("MB", 300),
    "faults_lost_lines": Limit("lines", 0),
    "faults_double_applies": Limit("resources", 0),
    "faults_stuck": Limit("runs", 0),
    "faults_wrong_status": Limit("runs", 0),
    "faults_recovery_s_p95": Limit("s", 30),
    "ansible_ratio": Limit("ratio", 1.2),
    "ansible_event_lag_s": Limit("s", 2),
    "ansible_event_rows": Limit("rows", 0),
    "start_first_s": Limit("s", 10),
    "start_again_s": Limit("s", 5),
}


class Report:
    """Prints figures as they come, and remembers whether all of them held."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self.load_at_start = os.getloadavg()[0]

    def tell(
        self,
        figure: str,
        values: Sequence[float],
        *,
        value: float | None = None,
        void: str = "",
        **more: Any,
    ) -> None:
        """Print one figure: the median of `values` unless `value` says which one counts.

        `void` is why the measurement does not count; the figure fails then. `more` stands
        beside it: the conditions under which it was measured.
        """
        limit = LIMITS[figure]
        counted = statistics.median(values) if value is None else value
        is_ok = not void and limit.holds(counted)
        line = {
            "figure": figure,
            "value": shortened(counted) if math.isfinite(counted) else None,
            "unit": limit.unit,
            "limit": limit.limit,
            "ok": is_ok,
            "values": [shortened(each) for each in values],
        }
        if void:
            line["void"] = void
        if self.load_at_start > BUSY_LOAD * (os.cpu_count() or 1):
            line["load_before"] = self.load_at_start
        print(json.dumps(line | more), flush=True)
        if not is_ok:
            self.missed.append(figure)


def shortened(number: float) -> float:
    """Return a number with the digits that mean something."""
    if isinstance(number, int) or not math.isfinite(number):
        return number
    return round(number, 3)


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, math.ceil(len(ordered) * percent / 100))
    return ordered[rank - 1]


def say(text: str) -> None:
    """Tell the person what goes on; figures alone go to standard output."""
    print(f"  {text}", file=sys.stderr, flush=True)
