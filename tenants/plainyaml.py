"""YAML of people whom nobody knows, read without doing what it says.

Every scalar stays the text that stands there (a version `240201.10` is no number, `no` no truth
value), null is None, and what only costs time or memory is refused: https://yaml.org/spec/1.1/
"""

from typing import Any

import yaml
from django.utils.translation import gettext as _

# An inventory of hundreds of hosts is below.
MAX_VALUES = 20_000
MAX_DEPTH = 20
_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
_OWN = "tag:yaml.org,2002:"


class Unreadable(ValueError):
    """The text is no YAML that is read here; its text says why, with the line."""


def read(text: str) -> Any:
    """Return mappings, lists, texts and None as the text says them. Raises Unreadable."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = str(getattr(error, "problem", None) or error).split("\n")[0]
        raise Unreadable(_at(mark.line, why) if mark is not None else why) from None
    except RecursionError:
        raise Unreadable(_("it is nested too deeply.")) from None
    return _Reader().value(node, 0) if node is not None else None


def _at(line: int, why: str) -> str:
    return _("line %(line)s: %(why)s") % {"line": line + 1, "why": why}


class _Reader:
    """Turns nodes into values and counts them: an alias costs what it stands for."""

    def __init__(self) -> None:
        self.count = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            # An alias within what it names never ends either.
            raise self.refusal(node, _("it is nested too deeply or stands for too much."))
        if node.tag == "!vault":
            text = _("the value is vaulted: decrypt it (ansible-vault view), then give it.")
            raise self.refusal(node, text)
        if not node.tag.startswith(_OWN) or node.tag.startswith(f"{_OWN}python/"):
            raise self.refusal(node, _("the tag “%s” is not known.") % node.tag)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, depth + 1) for one in node.value]
        return None if node.tag == _NULL else self.text(node)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, content in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.refusal(key, _("a key is a text."))
            value = self.value(content, depth + 1)
            if key.tag == _MERGE:
                for one in value if isinstance(value, list) else [value]:
                    if not isinstance(one, dict):
                        raise self.refusal(content, _("“<<” takes mappings."))
                    merged = {**one, **merged}
                continue
            name = self.text(key)
            if name in found:
                raise self.refusal(key, _("“%s” stands there already.") % name)
            found[name] = value
        return {**merged, **found}

    def text(self, node: yaml.ScalarNode) -> str:
        if "\0" in node.value:
            raise self.refusal(node, _("it has a NUL character."))
        return node.value

    def refusal(self, node: yaml.Node, why: str) -> Unreadable:
        return Unreadable(_at(node.start_mark.line, why))
