"""Log text with changing numbers, times, ids and addresses; as a program, it prints such text.

Each line begins with the time of day (UTC, microseconds) at which it was made, so that whoever
receives it can tell how long it took. Standard library only: it runs as the child of a run,
without the bench's environment.
"""

import json
import os
import sys
import time
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

DAY_US = 86_400_000_000
STAMP = len("12:41:53.123456")
NUMBER = slice(STAMP + 1, STAMP + 8)
WORDS = (
    "call answered", "call queued", "trunk registered", "agent paused", "recording stored",
    "call transferred", "route chosen", "call ended",
)  # fmt: skip
NODES = 60
BUFFER_LINES = 512


def line(number: int, now_us: int, rounds: int = 1) -> bytes:
    """Return one line of about 84 bytes; `rounds` is how much work it is to make it."""
    seed = number.to_bytes(8, "little")
    for _ in range(rounds):
        seed = blake2b(seed, digest_size=12).digest()
    seconds, micro = divmod(now_us % DAY_US, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    node = seed[5] % NODES
    return (
        f"{hour:02d}:{minute:02d}:{second:02d}.{micro:06d} {number:07d} app_node_{node:03d} "
        f"(10.60.3.{node + 10}): {WORDS[seed[6] & 7]}, id {seed[:4].hex()}, "
        f"{seed[7] * 4 + (seed[8] & 3)} ms\n"
    ).encode()


def stamp_us(text: bytes, at: int = 0) -> int:
    """Return the time of day in microseconds of the line that begins at `at`."""
    hour, minute, second = int(text[at : at + 2]), int(text[at + 3 : at + 5]), text[at + 6 : at + 8]
    return ((hour * 60 + minute) * 60 + int(second)) * 1_000_000 + int(text[at + 9 : at + 15])


def now_us() -> int:
    """Return the time of day in microseconds."""
    return time.time_ns() // 1000 % DAY_US


def numbers(log: bytes) -> list[int]:
    """Return the numbers of the generated lines in a log, in their order."""
    found = []
    for text in log.splitlines():
        if len(text) > 70 and text[2:3] == b":" and text[NUMBER].isdigit():
            found.append(int(text[NUMBER]))
    return found


def lost_and_twice(log: bytes, count: int) -> tuple[int, int]:
    """Return how many of the lines 1 … count are missing, and how many break the order."""
    seen = numbers(log)
    in_order = sorted(set(seen))
    wrong = sum(1 for a, b in pairwise(seen) if b <= a)
    return count - len([n for n in in_order if 1 <= n <= count]), wrong


# --- as a program: prints what the inputs in its folder say ----------------------------------


def write_all(text: bytes) -> None:
    """Write to standard output, whole."""
    while text:
        text = text[os.write(1, text) :]


def print_each(count: int, rounds: int) -> int:
    """Print unpaced, one write per line; returns when it began, in ns since the epoch."""
    begun = time.time_ns()
    for number in range(1, count + 1):
        write_all(line(number, time.time_ns() // 1000, rounds))
    return begun


def print_buffered(count: int) -> int:
    """Print text that was made before, in large writes; returns when it began."""
    now = time.time_ns() // 1000
    blocks = [
        b"".join(
            [line(number, now) for number in range(first, min(first + BUFFER_LINES, count + 1))]
        )
        for first in range(1, count + 1, BUFFER_LINES)
    ]
    begun = time.time_ns()
    for block in blocks:
        write_all(block)
    return begun


def print_paced(count: int, pause_s: float) -> int:
    """Print a line when it is due; a late wake-up prints what is due by then."""
    begun_ns, begun = time.time_ns(), time.monotonic()
    for number in range(1, count + 1):
        wait = begun + number * pause_s - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        write_all(line(number, time.time_ns() // 1000))
    return begun_ns


def print_as_told(inputs: dict) -> int:
    """Print what the inputs ask for: flood_lines, flood_line_ms, flood_id."""
    count, pause_s = int(inputs.get("flood_lines", 0)), inputs.get("flood_line_ms", 0) / 1000
    how, _, rounds = str(inputs.get("flood_id", "")).partition(":")
    if pause_s:
        return print_paced(count, pause_s)
    if how == "each":
        return print_each(count, int(rounds or 1))
    return print_buffered(count)


def main() -> None:
    """Print, and note beside the wrapper when the first line began and the last one was out."""
    folder = Path(sys.argv[1])
    inputs = json.loads(Path("terraform.tfvars.json").read_bytes())
    begun = print_as_told(inputs)
    note = {"stack": inputs.get("stack_name", ""), "begun": begun, "ended": time.time_ns()}
    with (folder / "prints").open("a") as file:
        file.write(json.dumps(note | {"cpu_s": time.process_time()}) + "\n")


if __name__ == "__main__":
    main()
