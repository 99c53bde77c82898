"""Check the bounds that no linter knows: lengths, and nothing of one machine in the files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FILE_LINES = 400
FUNCTION_LINES = 40
LINE_CHARS = 100
# A breach says why on the line of `def`, or in the file's first lines.
REASON = re.compile(r"# long: \S+ \S+")
# Folders of one person or one machine, and packages from anywhere but the public registries.
MACHINE = re.compile(
    r"(?<![\w.])/(root|work|home/(?!app\b|omlsaas\b|user\b)\w+|Users/\w+)/[\w.-]"
    r"|/opt/(wheels|pypi)|--(extra-)?index-url|--find-links"
)
LOCK_HOSTS = re.compile(r'"resolved": "(?!https://registry\.npmjs\.org/)')
TEXT_SUFFIXES = {
    ".py", ".md", ".txt", ".in", ".toml", ".yaml", ".yml", ".json", ".sh", ".html", ".js", ".css",
    ".tf", ".hcl", ".cfg", ".example", "",
}  # fmt: skip


def committed_files() -> list[Path]:
    """Return the files that are or would be committed."""
    shown = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = (PROJECT / name for name in shown.split("\0") if name)
    return [path for path in files if path.suffix in TEXT_SUFFIXES and path.is_file()]


def check_machine(path: Path, text: str) -> Iterator[str]:
    """Yield the lines that name a place which exists on one machine only."""
    if path == Path(__file__).resolve() or path.name == "lock.sh":
        return
    for number, line in enumerate(text.splitlines(), 1):
        if found := MACHINE.search(line):
            yield f"{number}: names a place on one machine: {found.group()}"
        if path.name == "package-lock.json" and LOCK_HOSTS.search(line):
            yield f"{number}: a package from another host than registry.npmjs.org"


def check_lengths(path: Path, text: str) -> Iterator[str]:
    """Yield the Python files and functions that are too long to read at once."""
    lines = text.splitlines()
    if len(lines) > FILE_LINES and not any(map(REASON.search, lines[:5])):
        yield f"1: {len(lines)} lines, at most {FILE_LINES} (or say why: `# long: …`)"
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield f"{error.lineno}: {error.msg}"
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = node.end_lineno - node.lineno + 1
        if length > FUNCTION_LINES and not REASON.search(lines[node.lineno - 1]):
            yield f"{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"


def check(path: Path) -> Iterator[str]:
    """Yield what is wrong with one file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from check_machine(path, text)
    parts = path.relative_to(PROJECT).parts
    if path.suffix == ".py" and parts[0] not in ("tests", "bench") and "migrations" not in parts:
        yield from check_lengths(path, text)
    if path.suffix in {".js", ".css", ".sh"}:
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LINE_CHARS:
                yield f"{number}: {len(line)} characters, at most {LINE_CHARS}"


def main() -> int:
    """Print every breach; returns 1 when there is one."""
    breaches = [
        f"{path.relative_to(PROJECT)}:{what}" for path in committed_files() for what in check(path)
    ]
    print("\n".join(breaches), end="\n" if breaches else "")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
