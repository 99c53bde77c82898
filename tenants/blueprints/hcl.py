"""Reads the `variable`, `output` and `module` blocks of a root module.

python-hcl2 parses; the values are taken from its tree and not from its dictionary, where a
heredoc, a quoted text and an expression look alike. Terraform's grammar:
https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2
from django.utils.translation import gettext as _
from hcl2.rules.abstract import LarkRule
from hcl2.rules.base import AttributeRule, BlockRule, BodyRule
from hcl2.rules.containers import ObjectRule, TupleRule
from hcl2.rules.expressions import BinaryOpRule, ExprTermRule, UnaryOpRule
from hcl2.rules.for_expressions import ForIntroRule
from hcl2.rules.functions import FunctionCallRule
from hcl2.rules.indexing import GetAttrExprTermRule
from hcl2.rules.literal_rules import FloatLitRule, IdentifierRule, IntLitRule, LiteralValueRule
from hcl2.rules.strings import HeredocTemplateRule, HeredocTrimTemplateRule, StringRule
from hcl2.rules.whitespace import NewLineOrCommentRule
from hcl2.utils import process_escape_sequences
from hcl2.walk import find_all
from lark.exceptions import LarkError

from tenants.blueprints.model import Attribute, Flaw, Output, Rule, TypeSpec, Variable

_HEREDOC = re.compile(r"<<-?([^\s]+)\r?\n(.*\n)?[ \t]*\1\s*\Z", re.S)
# `terraform.` and `path.` are known everywhere; all else stands outside the variable blocks.
_KNOWN_ROOTS = frozenset({"var", "path", "terraform"})


class NotConstant(ValueError):
    """An expression that has no value before Terraform runs."""


@dataclass
class RootModule:
    """What the files of one folder declare; `judge_files` as in Kind."""

    variables: dict[str, Variable] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    sources: list[tuple[str, str, int]] = field(default_factory=list)
    required_version: str = ""
    # Names of required providers, and those that have a configuration block without an alias.
    providers: set[str] = field(default_factory=set)
    configured: set[str] = field(default_factory=set)
    file_count: int = 0
    judge_files: dict[str, str] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)


def read_folder(folder: Path, base: Path) -> RootModule:
    """Return what the `.tf` files of a folder declare; what cannot be read is among its flaws."""
    module = RootModule()
    for path in sorted(folder.glob("*.tf")):
        name = path.relative_to(base).as_posix()
        module.file_count += 1
        try:
            text = path.read_text(encoding="utf-8")
            body = hcl2.parses(text if text.endswith("\n") else text + "\n").body
        except UnicodeDecodeError:
            module.flaws.append(Flaw(name, 1, _("This file is not UTF-8.")))
        except LarkError as error:
            line = max(getattr(error, "line", 1) or 1, 1)
            module.flaws.append(Flaw(name, line, _syntax_text(error)))
        else:
            _read_body(module, body, name)
            _keep_for_judge(module, path.name, name, text)
    for path in sorted(folder.glob("*.tf.json")):
        name = path.relative_to(base).as_posix()
        text = _("Variables in .tf.json files get no form field. Declare them in a .tf file.")
        module.flaws.append(Flaw(name, 1, text, is_warning=True))
    return module


def _syntax_text(error: LarkError) -> str:
    column = getattr(error, "column", 0)
    token = str(getattr(error, "token", "") or "").strip().split("\n")[0][:40]
    if not token:
        return _("The HCL does not parse here (column %(column)s).") % {"column": column}
    return _("The HCL does not parse at “%(token)s” (column %(column)s).") % {
        "token": token,
        "column": column,
    }


def _read_body(module: RootModule, body: BodyRule, file: str) -> None:
    for block in _blocks(body):
        kind, *labels = [_label(label) for label in block.labels]
        if kind == "variable" and labels:
            _add_variable(module, block, labels[0], file)
        elif kind == "output" and labels:
            found = _attributes(block)
            module.outputs[labels[0]] = Output(
                labels[0],
                _text(found.get("description")),
                _constant(found.get("sensitive"), False) is True,
                file,
                _meta(block).line,
            )
        elif kind == "module":
            source = _attributes(block).get("source")
            if source is not None:
                module.sources.append((_text(source), file, _meta(source).line))
        elif kind == "provider" and labels and "alias" not in _attributes(block):
            module.configured.add(labels[0])
        elif kind == "terraform":
            _read_settings(module, block)


def _read_settings(module: RootModule, block: BlockRule) -> None:
    version = _attributes(block).get("required_version")
    module.required_version = _text(version) or module.required_version
    for inner in _blocks(block.body):
        if _label(inner.labels[0]) == "required_providers":
            module.providers |= set(_attributes(inner))


def _add_variable(module: RootModule, block: BlockRule, name: str, file: str) -> None:
    line = _meta(block).line
    if name in module.variables:
        first = module.variables[name]
        text = _("Variable “%(name)s” is declared twice; first at %(file)s:%(line)s.")
        params = {"name": name, "file": first.file, "line": first.line}
        module.flaws.append(Flaw(file, line, text % params))
        return
    try:
        module.variables[name] = _variable(block, name, file)
    except NotConstant as error:
        text = _("Variable “%(name)s”: “%(expression)s” is not a constant value or known type.")
        params = {"name": name, "expression": str(error)[:80]}
        module.flaws.append(Flaw(file, line, text % params))


def _variable(block: BlockRule, name: str, file: str) -> Variable:
    found = _attributes(block)
    rules, choices = [], {}
    for inner in _blocks(block.body):
        if _label(inner.labels[0]) == "validation":
            rules.append(_rule(inner))
            choices |= _choices(_attributes(inner).get("condition"), name)
    spec = _with_choices(_type(found["type"]) if "type" in found else TypeSpec("any"), choices)
    meta = _meta(block)
    return Variable(
        name=name,
        type=str(spec),
        spec=spec,
        default=_constant(found.get("default"), None),
        has_default="default" in found,
        description=_text(found.get("description")).strip(),
        sensitive=_constant(found.get("sensitive"), False) is True,
        nullable=_constant(found.get("nullable"), True) is not False,
        file=file,
        line=meta.line,
        end_line=meta.end_line,
        start=meta.start_pos,
        end=meta.end_pos,
        rules=tuple(rules),
        choices=choices.get("", ()),
    )


def _rule(block: BlockRule) -> Rule:
    roots, names, local = set(), set(), set()
    for intro in find_all(block, ForIntroRule):
        local |= {str(i.serialize()) for i in (intro.first_iterator, intro.second_iterator) if i}
    for node in find_all(block, GetAttrExprTermRule):
        root = _strip(node.expr_term)
        if isinstance(root, IdentifierRule):
            roots.add(root.serialize())
            if root.serialize() == "var":
                names.add(node.get_attr.identifier.serialize())
    meta = _meta(block)
    foreign = bool(roots - _KNOWN_ROOTS - local)
    return Rule(meta.start_pos, meta.end_pos, frozenset(names), foreign)


def _choices(node: Any, name: str) -> dict[str, tuple[Any, ...]]:
    """Return the values of `contains([…], var.name)`, and of its attributes by their name."""
    node = _strip(node)
    if isinstance(node, BinaryOpRule):
        if node.binary_term.binary_operator.serialize() != "&&":
            return {}
        right = _choices(node.binary_term.expr_term, name)
        return _choices(node.expr_term, name) | right
    if not isinstance(node, FunctionCallRule) or _function(node) != "contains":
        return {}
    allowed, subject = (_strip(argument) for argument in _arguments(node)[:2])
    path = _path(subject)
    if path[:2] != ["var", name] or len(path) > 3 or not isinstance(allowed, TupleRule):
        return {}
    try:
        return {".".join(path[2:]): tuple(_constant(allowed, ()))}
    except NotConstant:
        return {}


def _with_choices(spec: TypeSpec, choices: dict[str, tuple[Any, ...]]) -> TypeSpec:
    if spec.kind != "object":
        return spec
    attributes = tuple(
        Attribute(a.name, a.type, a.is_optional, a.default, choices.get(a.name, ()))
        for a in spec.attributes
    )
    return TypeSpec("object", attributes=attributes)


def _path(node: Any) -> list[str]:
    """Return `var.a.b` as its names; an empty list when it is something else."""
    node = _strip(node)
    if isinstance(node, IdentifierRule):
        return [node.serialize()]
    if not isinstance(node, GetAttrExprTermRule):
        return []
    rest = _path(node.expr_term)
    return [*rest, node.get_attr.identifier.serialize()] if rest else []


# --- types ---------------------------------------------------------------------------------------


def _type(node: Any) -> TypeSpec:
    node = _strip(node)
    if isinstance(node, IdentifierRule | StringRule):
        # Terraform 0.11 wrote the names in quotes; list and map alone mean of anything.
        name = node.serialize().strip('"')
        if name in ("list", "map", "set"):
            return TypeSpec(name, TypeSpec("any"))
        if name not in ("string", "number", "bool", "any"):
            raise NotConstant(name)
        return TypeSpec(name)
    if not isinstance(node, FunctionCallRule):
        raise NotConstant(_source(node))
    name, arguments = _function(node), [_strip(argument) for argument in _arguments(node)]
    if name in ("list", "set", "map") and len(arguments) == 1:
        return TypeSpec(name, _type(arguments[0]))
    if name == "tuple" and len(arguments) == 1 and isinstance(arguments[0], TupleRule):
        return TypeSpec(name, items=tuple(_type(item) for item in arguments[0].elements))
    if name == "object" and len(arguments) == 1 and isinstance(arguments[0], ObjectRule):
        return TypeSpec(name, attributes=tuple(map(_attribute, arguments[0].elements)))
    raise NotConstant(_source(node))


def _attribute(element: Any) -> Attribute:
    name, node = _key(element), _strip(element.expression)
    if not isinstance(node, FunctionCallRule) or _function(node) != "optional":
        return Attribute(name, _type(node))
    arguments = _arguments(node)
    default = _constant(arguments[1], None) if len(arguments) > 1 else None
    return Attribute(name, _type(arguments[0]), True, default)


# --- constants -----------------------------------------------------------------------------------


def constants(text: str) -> dict[str, Any]:
    """Return the values of a .tfvars text. Raises LarkError, and NotConstant for an expression."""
    found = [c for c in hcl2.parses(text + "\n").body.children if isinstance(c, AttributeRule)]
    return {c.identifier.serialize(): _constant(c.expression, None) for c in found}


def _constant(node: Any, missing: Any) -> Any:
    """Return the Python value of a constant expression; raises NotConstant."""
    if node is None:
        return missing
    node = _strip(node)
    if isinstance(node, LiteralValueRule):
        return {"true": True, "false": False, "null": None}[str(node.token.value)]
    if isinstance(node, IntLitRule | FloatLitRule):
        return _number(str(node.token.value))
    if isinstance(node, UnaryOpRule):
        return _negated(node)
    if isinstance(node, HeredocTemplateRule):
        return _heredoc(node)
    if isinstance(node, StringRule):
        return "".join(_part(part) for part in node.string_parts)
    if isinstance(node, TupleRule):
        return [_constant(element, None) for element in node.elements]
    if isinstance(node, ObjectRule):
        return {_key(e): _constant(e.expression, None) for e in node.elements}
    raise NotConstant(_source(node))


def _number(text: str) -> int | float:
    value = float(text)
    whole = re.fullmatch(r"\d+", text) or value.is_integer()
    return (int(text) if text.isdigit() else int(value)) if whole else value


def _negated(node: UnaryOpRule) -> int | float:
    value = _constant(node.expr_term, None)
    if str(node.operator) != "-" or isinstance(value, bool) or not isinstance(value, int | float):
        raise NotConstant(_source(node))
    return -value


def _heredoc(node: HeredocTemplateRule) -> str:
    found = _HEREDOC.match(str(node.heredoc.value))
    if not found:
        raise NotConstant(_source(node))
    lines = (found[2] or "").replace("\r\n", "\n").splitlines(keepends=True)
    if isinstance(node, HeredocTrimTemplateRule):
        widths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
        lines = [line[min(widths, default=0) :] if line.strip() else "\n" for line in lines]
    text = "".join(lines)
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", text):
        raise NotConstant(text)
    return text.replace("$${", "${").replace("%%{", "%{")


def _part(part: Any) -> str:
    kind, text = part.content.lark_name(), part.content.serialize()
    if kind == "STRING_CHARS":
        return process_escape_sequences(text)
    if kind in ("ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE"):
        return text[1:]
    raise NotConstant(text)


def _key(element: Any) -> str:
    node = getattr(element.key, "value", None)
    if isinstance(node, StringRule):
        return _constant(node, "")
    if isinstance(node, IdentifierRule | IntLitRule | FloatLitRule):
        return str(node.token.value)
    raise NotConstant(_source(element.key))


# --- the tree ------------------------------------------------------------------------------------


def _meta(node: LarkRule) -> Any:
    # The only place that tells line and position; python-hcl2 is pinned for it.
    return node._meta


def _strip(node: Any) -> Any:
    """Return the expression inside parentheses, comments and wrappers."""
    while isinstance(node, ExprTermRule):
        node = node.expression
    return node


def _blocks(body: BodyRule) -> Iterator[BlockRule]:
    return (child for child in body.children if isinstance(child, BlockRule))


def _attributes(block: BlockRule) -> dict[str, Any]:
    return {
        child.identifier.serialize(): child.expression
        for child in block.body.children
        if isinstance(child, AttributeRule)
    }


def _label(node: Any) -> str:
    return str(node.serialize()).strip('"')


def _function(node: FunctionCallRule) -> str:
    return "::".join(identifier.serialize() for identifier in node.identifiers)


def _arguments(node: FunctionCallRule) -> list[Any]:
    return node.arguments.arguments if node.arguments else []


def _text(node: Any) -> str:
    try:
        value = _constant(node, "")
    except NotConstant as error:
        return str(error)
    return value if isinstance(value, str) else ""


def _source(node: Any) -> str:
    return str(node.serialize()) if not isinstance(node, NewLineOrCommentRule) else ""


def _keep_for_judge(module: RootModule, short: str, file: str, text: str) -> None:
    """Keep the variable blocks of a file, all else blank, so that line numbers stay true."""
    kept = [v for v in module.variables.values() if v.file == file]
    if kept:
        module.judge_files[short] = blank(text, [(v.start, v.end) for v in kept], keep=True)


def blank(text: str, spans: list[tuple[int, int]], *, keep: bool = False) -> str:
    """Return the text with these spans blank (or with `keep`, all but these); lines stay."""
    chosen = bytearray(len(text))
    for start, end in spans:
        chosen[start:end] = b"\x01" * (end - start)
    return "".join(
        char if bool(chosen[i]) == keep or char == "\n" else " " for i, char in enumerate(text)
    )
