"""A terraform that tells when it starts, and on `apply` only prints lines.

Everything else is done by the real one: versions, init, plans and their JSON are real.
"""

import json
import shlex
import shutil
import sys
from pathlib import Path

from bench.portal import BenchFailed

LINES = Path(__file__).with_name("loglines.py")
SCRIPT = """\
#!/bin/sh
echo "$(date +%s%N) $1" >>{folder}/starts
[ -e {folder}/is_real ] && exec {real} "$@"
case $1 in
    apply) exec {python} -I -S {lines} {folder} ;;
    *) exec {real} "$@" ;;
esac
"""


def find_terraform() -> str:
    """Return the path of the real terraform; raises BenchFailed."""
    found = shutil.which("terraform")
    if found is None:
        raise BenchFailed("there is no terraform on PATH")
    return found


class FakeEngine:
    """The wrapper in a folder of its own, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "terraform"
        words = {"folder": folder, "python": sys.executable, "lines": LINES}
        words |= {"real": find_terraform()}
        quoted = {name: shlex.quote(str(word)) for name, word in words.items()}
        self.path.write_text(SCRIPT.format(**quoted))
        self.path.chmod(0o755)

    def starts(self, since_ns: int = 0) -> list[tuple[int, str]]:
        """Return (time in ns since the epoch, subcommand) of each start."""
        try:
            rows = (line.split() for line in (self.folder / "starts").read_text().splitlines())
        except FileNotFoundError:
            return []
        return [(int(row[0]), row[1]) for row in rows if len(row) > 1 and int(row[0]) >= since_ns]

    def prints(self, since_ns: int = 0) -> list[dict]:
        """Return what each `apply` noted: stack, begun, ended (ns since the epoch)."""
        try:
            rows = map(json.loads, (self.folder / "prints").read_text().splitlines())
        except FileNotFoundError:
            return []
        return [row for row in rows if row["begun"] >= since_ns]
