"""Reads adopt.yaml of a blueprint: how stacks that another tool built are taken over."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from jsonschema import Draft202012Validator

from tenants.blueprints import lines, templates
from tenants.blueprints.model import Adoption, Kind, OldResource, OldVariable

if TYPE_CHECKING:
    from tenants.blueprints.manifest import Reader

ADOPTIONS = "adopt.yaml"
# What the texts of adopt.yaml may look up, besides those of its actions.
ROOTS = ("stack", "region", "inputs", "resources")
_ADDRESS = re.compile(r"[a-z][\w-]*(\[\"[^\"]+\"\])?(\.[a-z_][\w-]*(\[\"[^\"]+\"\])?)+")


def read(reader: "Reader", kinds: dict[str, Kind], schema: Mapping[str, Any]) -> dict[str, Kind]:
    """Return the kinds with what adopt.yaml says of each; its flaws are the reader's."""
    if not (reader.folder / ADOPTIONS).is_file():
        return kinds
    own = {"$ref": "#/$defs/adoptions", "$defs": schema["$defs"]}
    if not reader.open(ADOPTIONS, Draft202012Validator(own)):
        return kinds
    found = dict(kinds)
    for name, spec in reader.document.value["kinds"].items():
        path: lines.Path = ("kinds", name)
        if name in kinds:
            found[name] = replace(kinds[name], adoption=_adoption(reader, path, spec, kinds[name]))
        else:
            reader.flaw(path, _("The blueprint has no kind “%(kind)s”."), kind=name)
    return found


def _adoption(reader: "Reader", path: lines.Path, spec: dict[str, Any], kind: Kind) -> Adoption:
    resources = {key: OldResource(**one) for key, one in spec["resources"].items()}
    _check_variables(reader, path, spec, kind)
    _check_resources(reader, path, resources)
    _check_places(reader, path, spec, kind, resources)
    return Adoption(
        values_file=spec["values_file"],
        name=spec["name"],
        time_zone=spec.get("time_zone", ""),
        nothing=tuple(spec.get("nothing", ())),
        variables={name: OldVariable(**one) for name, one in spec["variables"].items()},
        present=spec.get("present", {}),
        resources=resources,
        outputs=spec.get("outputs", {}),
        machines=spec.get("machines", {}),
        actions=reader.actions(path, spec, kind.variables, kind.outputs),
    )


def _check_variables(reader: "Reader", path: lines.Path, spec: dict[str, Any], kind: Kind) -> None:
    """Each old variable has one place here, or a reason why it has none."""
    inputs = [variable.name for variable in kind.inputs]
    for name, old in spec["variables"].items():
        where = (*path, "variables", name)
        if ("to" in old) == ("drop" in old):
            text = _("“%(name)s” is taken (“to”) or dropped with a reason (“drop”), one of both.")
            reader.flaw(where, text, name=name)
        if "to" in old:
            reader.known((*where, "to"), old["to"], inputs, _("input"))
    for name in spec.get("present", {}):
        reader.known((*path, "present", name), name, inputs, _("input"))
    for name in spec.get("outputs", {}):
        reader.known((*path, "outputs", name), name, kind.outputs, _("output"))


def _check_resources(
    reader: "Reader", path: lines.Path, resources: Mapping[str, OldResource]
) -> None:
    if not any(resource.must for resource in resources.values()):
        text = _("No resource is a “must”: any state would be taken for that of any tenant.")
        reader.flaw((*path, "resources"), text)
    for key, resource in resources.items():
        where = (*path, "resources", key)
        if bool(resource.to) != bool(resource.id):
            text = _("“%(name)s”: an address (“to”) and what it is imported by (“id”) go together.")
            reader.flaw(where, text, name=key)
        if resource.to and not _ADDRESS.fullmatch(resource.to):
            text = _("“%(to)s” is not an address such as module.database.aws_db_instance.this.")
            reader.flaw((*where, "to"), text, to=resource.to)


def _check_places(
    reader: "Reader",
    path: lines.Path,
    spec: dict[str, Any],
    kind: Kind,
    resources: Iterable[str],
) -> None:
    named = {"inputs": kind.variables, "resources": resources}
    texts: dict[lines.Path, Any] = {}
    for part in ("outputs", "machines"):
        texts |= {(part, name): text for name, text in spec.get(part, {}).items()}
    for key, one in spec["resources"].items():
        texts |= {("resources", key, "where", name): t for name, t in one["where"].items()}
        texts["resources", key, "id"] = one.get("id", "")
    for where, text in texts.items():
        for place in templates.places(text):
            root, _dot, rest = place.partition(".")
            if not templates.is_look_up(place, ROOTS):
                said = _("“%(place)s” is not a look-up: write {{ %(roots)s.name }}.")
                reader.flaw((*path, *where), said, place=place, roots="|".join(ROOTS))
            elif root in named and rest.split(".")[0] not in named[root]:
                said = _("There is no “%(place)s” in this kind.")
                reader.flaw((*path, *where), said, place=place)
    for input_name, key in spec.get("present", {}).items():
        if key not in resources:
            said = _("There is no resource “%(key)s” here.")
            reader.flaw((*path, "present", input_name), said, key=key)
