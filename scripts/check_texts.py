"""Check that every text for people goes through gettext: in templates and in declarations."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("omlsaas", "tenants", "deployments", "notices", "api")
# Keyword arguments and class attributes whose value a person reads.
TEXT_NAMES = {
    "label", "help_text", "verbose_name", "verbose_name_plural", "short_description",
    "empty_label", "site_header", "site_title", "index_title",
}  # fmt: skip
MESSAGE_CALLS = {"debug", "info", "success", "warning", "error", "message_user"}
WORD = re.compile(r"[^\W\d_]{2,}")
# The name of the product is no sentence.
NAMES = re.compile(r"\bomlsaas\b")

HIDDEN = re.compile(
    r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|<!--.*?-->|<!doctype[^>]*>"
    r"|{%\s*blocktrans(?:late)?\b.*?{%\s*endblocktrans(?:late)?\s*%}"
    r"|<(script|style|svg:style)\b.*?</\1>|<(code|kbd|samp)\b[^<]*</\2>",
    re.DOTALL | re.IGNORECASE,
)
TEMPLATE_TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
ATTRIBUTE = re.compile(
    r"\b(title|placeholder|alt|aria-label|data-confirm|hx-confirm)=(\"[^\"]*\"|'[^']*')"
)
MARKUP = re.compile(r"<[^>]*>", re.DOTALL)
ENTITY = re.compile(r"&#?\w+;")


def _blank(found: re.Match) -> str:
    """Keep the lines, so that what is left keeps its line number."""
    return "\n" * found.group().count("\n") or " "


def has_words(text: str) -> bool:
    """Whether a text holds a word in some language."""
    return bool(WORD.search(NAMES.sub("", ENTITY.sub(" ", text))))


def check_template(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and words that stand in a template as they are."""
    text = TEMPLATE_TAG.sub(_blank, HIDDEN.sub(_blank, text))
    for found in ATTRIBUTE.finditer(text):
        if has_words(found.group(2)):
            yield text.count("\n", 0, found.start()) + 1, found.group()
    for number, line in enumerate(MARKUP.sub(_blank, text).splitlines(), 1):
        if has_words(line):
            yield number, line.strip()


def _is_plain(node: ast.expr | None) -> bool:
    is_literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return (is_literal and has_words(node.value)) or isinstance(node, ast.JoinedStr)


def check_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of declared texts that are not marked for translation."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        # ruff tells where.
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in TEXT_NAMES and _is_plain(node.value):
            yield node.value.lineno, f"{node.arg}="
        elif isinstance(node, ast.Assign) and _is_plain(node.value):
            for target in node.targets:
                name = getattr(target, "id", getattr(target, "attr", ""))
                if name in TEXT_NAMES:
                    yield node.lineno, f"{name} ="
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", "")
            is_message = owner == "messages" or node.func.attr == "message_user"
            if is_message and node.func.attr in MESSAGE_CALLS and any(map(_is_plain, node.args)):
                yield node.lineno, f"{owner}.{node.func.attr}(…)"


def breaches() -> Iterator[str]:
    """Yield a line per text that no translator would ever see."""
    for path in sorted((PROJECT / "templates").rglob("*.html")):
        for line, words in check_template(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(PROJECT)}:{line}: not in trans: {words[:80]}"
    for app in APPS:
        for path in sorted((PROJECT / app).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            for line, name in check_python(path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(PROJECT)}:{line}: not in gettext: {name}"


def main() -> int:
    """Print every breach; returns 1 when there is one."""
    found = list(breaches())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
