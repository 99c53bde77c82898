"""When a log is read with pauses: only in the middle of a burst, and not for ever."""

import itertools

from deployments.runner.burst import AFTER_S, PAUSE_S, STEP_BYTES, UNTIL_S, Burst

MB = 1 << 20


def read_on(bytes_per_s: float, seconds: float, *, read_per_s: float = 1e9) -> list[float]:
    """Return when a reader rests whose file grows at one pace and is read at another."""
    burst, now, offset, rests = Burst(), 100.0, 0, []
    while now < 100.0 + seconds:
        size = int(bytes_per_s * (now - 100.0))
        offset = min(size, offset + int(read_per_s * 0.002))
        pause = burst.pause(size, offset, now)
        if pause:
            rests.append(now - 100.0)
        now += 0.002 + pause
    return rests


def test_an_ordinary_log_is_read_without_a_pause():
    assert read_on(0.5 * MB, 5) == []


def test_a_reader_that_keeps_up_rests_in_a_burst():
    rests = read_on(15 * MB, 4)
    assert len(rests) >= 6
    assert rests[0] >= AFTER_S


def test_about_a_megabyte_is_read_between_two_pauses():
    rests = read_on(15 * MB, 4)
    assert all(b - a >= PAUSE_S for a, b in itertools.pairwise(rests))
    assert len(rests) * STEP_BYTES <= 11 * MB


def test_a_flood_that_was_over_at_once_is_read_without_a_pause():
    burst, now = Burst(), 0.0
    assert not any(burst.pause(17 * MB, step * 65536, now + step * 0.003) for step in range(270))


def test_a_child_that_never_stops_is_read_without_a_pause_after_a_while():
    assert max(read_on(15 * MB, 2 * UNTIL_S)) <= UNTIL_S + 1
