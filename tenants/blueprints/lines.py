"""YAML that remembers on which line each value stands."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext as _

_MERGE = "tag:yaml.org,2002:merge"
Path = tuple[str | int, ...]


class YamlBroken(ValueError):
    """The text is not YAML as we take it; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line, self.text = line, text
        super().__init__(text)


@dataclass
class Document:
    """The plain value of a document, and the line of everything in it by its path."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of the value at this path, or of what is nearest around it."""
        path = tuple(path)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Return the document of a YAML text; raises YamlBroken, also for a key that comes twice."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        document = Document()
        if node is not None:
            document.value = _build(loader, node, (), document.lines)
        return document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlBroken(mark.line + 1 if mark else 1, str(error.problem)) from None
    except yaml.YAMLError as error:
        raise YamlBroken(1, str(error).split("\n")[0]) from None
    except RecursionError:
        raise YamlBroken(1, _("Anchors refer to themselves.")) from None


def _build(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [
            _build(loader, item, (*path, number), lines) for number, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    result: dict[Any, Any] = {}
    own = [(key, value) for key, value in node.value if key.tag != _MERGE]
    names = set()
    for key, value in own:
        name = loader.construct_object(key, deep=True)
        line = key.start_mark.line + 1
        if not isinstance(name, str):
            raise YamlBroken(line, _("The key “%(key)s” must be a text.") % {"key": name})
        if name in names:
            raise YamlBroken(line, _("The key “%(key)s” comes twice.") % {"key": name})
        names.add(name)
        # A key tells better than its value where something stands.
        lines[(*path, name)] = line
        result[name] = _build(loader, value, (*path, name), lines)
    for key, value in node.value:
        if key.tag == _MERGE:
            for name, merged in _merged(loader, value, path, lines).items():
                result.setdefault(name, merged)
    return result


def _merged(
    loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]
) -> dict[Any, Any]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    result: dict[Any, Any] = {}
    for each in nodes:
        if not isinstance(each, yaml.MappingNode):
            raise YamlBroken(node.start_mark.line + 1, _("“<<” must name a mapping."))
        found: dict[Path, int] = {}
        value = _build(loader, each, path, found)
        for name in value:
            result.setdefault(name, value[name])
        for key, line in found.items():
            lines.setdefault(key, line)
    return result
