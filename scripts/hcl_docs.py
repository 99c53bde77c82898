"""Write the tables of inputs and outputs into the README.md of each HCL module.

usage: hcl_docs.py [--check] [folder ...]
Without folders: all below hcl_template. With --check nothing is written; what is stale is named.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from django.conf import settings  # noqa: E402 the project has to be on the path first

from tenants.blueprints.hcl import RootModule, read_folder  # noqa: E402

HCL = PROJECT / "hcl_template"
BEGIN, END = "<!-- begin generated -->", "<!-- end generated -->"
GENERATED = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)


class DocsError(Exception):
    """A module whose tables cannot be made; the text says what to do."""


def folders(root: Path) -> Iterator[Path]:
    """Yield the folders below this one whose module is described or tested."""
    for path in sorted({file.parent for file in root.rglob("*.tf")}):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and ((path / "README.md").exists() or (path / "tests").is_dir()):
            yield path


def tables(module: RootModule) -> str:
    """Return the Markdown of a module's inputs and outputs, in the order of the files."""
    inputs = [
        (f"`{v.name}`", f"`{v.type}`", shown_default(v), v.description)
        for v in module.variables.values()
    ]
    outputs = [
        (f"`{o.name}`", with_note(o.description, o.sensitive)) for o in module.outputs.values()
    ]
    parts = [
        "## Inputs\n\n" + table(("Name", "Type", "Default", "What"), inputs),
        "## Outputs\n\n" + table(("Name", "What"), outputs),
    ]
    return "\n\n".join(parts)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table, or a word when it would be empty."""
    rows = list(rows)
    if not rows:
        return "None."
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """Return a text that stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def shown_default(variable: Any) -> str:
    """Return what stands there when nobody says anything; secrets are marked."""
    shown = "required"
    if variable.has_default:
        shown = f"`{json.dumps(variable.default, ensure_ascii=False)}`"
    return with_note(shown, variable.sensitive)


def with_note(text: str, sensitive: bool) -> str:
    """Return the text, and behind it that its value is secret."""
    return f"{text} (secret)" if sensitive else text


def renewed(folder: Path) -> str:
    """Return the text of a folder's README.md with tables of today; raises DocsError."""
    readme = folder / "README.md"
    if not readme.exists():
        raise DocsError("has no README.md; write one with these two lines in it: " + BEGIN + END)
    text = readme.read_text(encoding="utf-8")
    module = read_folder(folder, folder)
    if flaws := [flaw for flaw in module.flaws if not flaw.is_warning]:
        raise DocsError(f"{flaws[0].file}:{flaws[0].line}: {flaws[0].text}")
    if not GENERATED.search(text):
        raise DocsError(f"README.md has no place for the tables: lines {BEGIN} and {END}")
    block = f"{BEGIN}\n{tables(module)}\n{END}"
    return GENERATED.sub(lambda _: block, text, count=1)


def bring_up_to_date(folder: Path, check_only: bool) -> str:
    """Write a folder's README.md, or with `check_only` look at it; returns what is wrong."""
    readme = folder / "README.md"
    try:
        text = renewed(folder)
    except DocsError as error:
        return str(error)
    if text == readme.read_text(encoding="utf-8"):
        return ""
    if check_only:
        return "README.md is stale: make format renews it"
    readme.write_text(text, encoding="utf-8")
    return ""


def main(arguments: list[str]) -> int:
    """Renew or check the given folders, or all; returns 1 when something is wrong."""
    settings.configure(USE_I18N=False)
    check_only = "--check" in arguments
    chosen = [Path(name).resolve() for name in arguments if name != "--check"]
    failed = 0
    for folder in chosen or folders(HCL):
        if wrong := bring_up_to_date(folder, check_only):
            print(f"{folder}: {wrong}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
