"""The measurements by name: each prints one or more figures."""

from collections.abc import Callable

from bench.measures import (
    api,
    audit,
    burst,
    clicks,
    fanout,
    faults,
    latency,
    lists,
    logpage,
    memory,
    overhead,
    playbooks,
    start,
)
from bench.rig import Rig

# In the order of the whole bench: what shares a portal stands together.
ALL: dict[str, tuple[Callable[[Rig], None], tuple[str, ...]]] = {
    "start": (start.measure, ("start_first_s", "start_again_s")),
    "click": (clicks.measure, ("click_to_start_ms_p50", "click_to_start_ms_p99")),
    "line_latency": (latency.measure, ("line_latency_ms_p50", "line_latency_ms_p99")),
    "worker_mb": (memory.measure, ("worker_mb_per_run",)),
    "fanout": (fanout.measure_paced, ("fanout_p99_ms", "fanout_lost")),
    "fanout_ratio": (fanout.measure_ratio, ("fanout_ratio",)),
    "burst": (burst.measure, ("burst_slowdown_ratio", "burst_lost", "log_bytes_ratio")),
    "log_page": (logpage.measure, ("log_page_ms", "log_tab_mb")),
    "run_overhead": (overhead.measure, ("run_overhead_s", "run_overhead_ratio")),
    "ansible_ratio": (playbooks.measure_ratio, ("ansible_ratio",)),
    "ansible_events": (
        playbooks.measure_events, ("ansible_event_lag_s", "ansible_event_rows"),
    ),
    "faults": (faults.measure, (
        "faults_lost_lines", "faults_double_applies", "faults_stuck", "faults_wrong_status",
        "faults_recovery_s_p95",
    )),
    "lists": (lists.measure, ("list_p95_ms", "list_queries_growth")),
    "api": (api.measure, ("api_tenants_page_p95_ms", "api_token_check_ms")),
    "audit": (audit.measure, ("audit_seal_rows_s", "audit_verify_rows_s")),
}  # fmt: skip


def chosen(name: str) -> list[str]:
    """Return the measurements that a name or a figure means; empty when there are none."""
    if not name:
        return list(ALL)
    return [key for key, (_, figures) in ALL.items() if name == key or name in figures]
