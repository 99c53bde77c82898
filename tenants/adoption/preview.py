"""What taking over a tenant would keep, and why something is not: nothing is written here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from tenants import blueprints
from tenants.adoption.files import OldFile, state_of, values_of
from tenants.adoption.oldstate import OldInstance, OldState, StateFacts
from tenants.blueprints import Adoption, Kind
from tenants.blueprints.judge import SECRET_MIN_LENGTH
from tenants.blueprints.model import OldResource
from tenants.blueprints.templates import LookupMissing, render
from tenants.errors import AdoptionRefused, InputsRefused
from tenants.models import Region, SharedEnvironment
from tenants.values import value_from_text


@dataclass(frozen=True)
class Taken:
    """An old variable with its place here; a secret's value is never among them."""

    old: str
    name: str
    value: Any = None
    note: str = ""


@dataclass(frozen=True)
class Dropped:
    """An old variable that has no place here, and why."""

    old: str
    why: str


@dataclass(frozen=True)
class Known:
    """A resource of the old state: its address there, here, and what it is imported by."""

    key: str
    old: str
    to: str = ""
    id: str = ""


@dataclass
class Preview:
    """All that would be kept. `secrets` is the only place with secret values."""

    name: str
    state: StateFacts
    sources: tuple[str, str]
    time_zone: str = ""
    inputs: list[Taken] = field(default_factory=list)
    versions: list[Taken] = field(default_factory=list)
    secrets_taken: list[Taken] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    resources: list[Known] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """Return the plain inputs by name."""
        return {taken.name: taken.value for taken in (*self.inputs, *self.versions)}

    def to_json(self) -> dict[str, Any]:
        """Return it for programs, without values of secrets."""
        return {
            "name": self.name,
            "time_zone": self.time_zone,
            "state": asdict(self.state),
            "inputs": {taken.name: taken.value for taken in self.inputs},
            "versions": {taken.name: taken.value for taken in self.versions},
            "secrets": [taken.name for taken in self.secrets_taken],
            "notes": {t.name: t.note for t in self._all() if t.note},
            "dropped": {dropped.old: dropped.why for dropped in self.dropped},
            "resources": {k.key: {"old": k.old, "to": k.to, "id": k.id} for k in self.resources},
            "without_counterpart": self.left,
            "outputs": self.outputs,
            "still_needed": self.lacking,
        }

    def _all(self) -> list[Taken]:
        return [*self.inputs, *self.versions, *self.secrets_taken]


def preview_tenant(
    kind: Kind,
    region: Region,
    environment: SharedEnvironment | None,
    values_file: OldFile,
    state_file: OldFile,
) -> Preview:
    """Return what would be taken over from these two files.

    Raises AdoptionUnreadable, and AdoptionRefused unless name, account, region and domain of the
    files are surely those of the place.
    """
    adoption = kind.adoption
    if adoption is None:
        why = _("its blueprint does not say how (adopt.yaml).")
        raise AdoptionRefused(name=values_file.name, why=why)
    old, state = values_of(values_file), state_of(state_file)
    name = str(old.get(adoption.name) or "")
    if not name:
        why = _("the file names no tenant (%s).") % adoption.name
        raise AdoptionRefused(name=values_file.name, why=why)
    if problem := kind.naming.problem(name):
        raise AdoptionRefused(name=name, why=problem)
    found = Preview(name, state.facts, (values_file.name, state_file.name))
    _check_place(name, region, state)
    _take_variables(found, kind, old)
    if adoption.time_zone:
        found.time_zone = str(old.get(adoption.time_zone) or "")
    context = _context(found, kind, region)
    by_key = _find_resources(found, adoption, state, context)
    _take_present(found, adoption, by_key)
    _derive(found, adoption, context, by_key)
    _judge(found, kind)
    found.lacking = [
        kind.label(one) for one in blueprints.missing(kind, _provided(found, kind), found.secrets)
    ]
    return found


def _check_place(name: str, region: Region, state: OldState) -> None:
    """Raise AdoptionRefused unless the state's own ARNs are of this account and region."""
    number, code = region.account.account_number, region.code
    if not number or not code:
        why = _(
            "the region %(region)s has no account number or no provider's region to compare the "
            "state with. Give both first."
        )
        raise AdoptionRefused(name=name, why=why % {"region": region})
    arns = list(state.arns())
    accounts = {arn[4] for arn in arns if arn[4].isdigit()}
    if accounts != {number}:
        why = _("its state is of account %(theirs)s, the region %(region)s of %(ours)s.")
        told = {"theirs": ", ".join(sorted(accounts)) or "–", "region": region, "ours": number}
        raise AdoptionRefused(name=name, why=why % told)
    places = {arn[3] for arn in arns if arn[3]}
    if places != {code}:
        why = _("its state is of %(theirs)s, the region %(region)s is %(ours)s.")
        told = {"theirs": ", ".join(sorted(places)) or "–", "region": region, "ours": code}
        raise AdoptionRefused(name=name, why=why % told)


# --- variables -----------------------------------------------------------------------------------


def _take_variables(found: Preview, kind: Kind, old: Mapping[str, Any]) -> None:
    adoption = kind.adoption
    for name, value in old.items():
        rule = adoption.variables.get(name)
        if rule is None:
            why = _("The blueprint does not know this variable.")
            found.dropped.append(Dropped(name, why))
        elif rule.drop:
            found.dropped.append(Dropped(name, rule.drop))
        elif value is None or (isinstance(value, str) and value in adoption.nothing):
            found.dropped.append(Dropped(name, _("It had no value; the default holds.")))
        elif kind.variables[rule.to].sensitive:
            _take_secret(found, kind, name, rule.to, str(value))
        else:
            _take_plain(found, kind, name, value)


def _take_secret(found: Preview, kind: Kind, old: str, name: str, value: str) -> None:
    if len(value) < SECRET_MIN_LENGTH:
        why = _("It has fewer than %s characters and could not be kept out of logs. Set a new one.")
        found.dropped.append(Dropped(old, why % SECRET_MIN_LENGTH))
        return
    problem = blueprints.judge_secret(kind, name, value).get(name, "")
    note = _("Kept as it is in use; as a new one it would be refused: %s") % problem
    found.secrets[name] = value
    found.secrets_taken.append(Taken(old, name, note=note if problem else ""))


def _take_plain(found: Preview, kind: Kind, old: str, value: Any) -> None:
    rule = kind.adoption.variables[old]
    variable, note = kind.variables[rule.to], ""
    if isinstance(value, str) and value in rule.values:
        note = _("was %s") % value
        value = rule.values[value]
    if isinstance(value, str) and variable.spec.kind != "string":
        try:
            value = value_from_text(variable, value)
        except InputsRefused as refusal:
            found.dropped.append(Dropped(old, refusal.problems[variable.name]))
            return
    if variable.spec.kind == "string" and not isinstance(value, str):
        value = str(value)
    place = found.versions if variable.role == "version" else found.inputs
    place.append(Taken(old, rule.to, value, note))


def _judge(found: Preview, kind: Kind) -> None:
    """Leave out what the blueprint's rules refuse: its default holds then."""
    try:
        problems = blueprints.judge(kind, found.values, found.secrets, settings.TERRAFORM_BIN)
    except blueprints.RulesNotJudged as reason:
        raise AdoptionRefused(name=found.name, why=str(reason)) from None
    refused = {problem.variable: problem.message for problem in problems}
    for place in (found.inputs, found.versions):
        for taken in [one for one in place if one.name in refused]:
            place.remove(taken)
            why = _("“%(value)s” is refused: %(why)s The default holds.")
            told = {"value": taken.value, "why": refused.pop(taken.name)}
            found.dropped.append(Dropped(taken.old, why % told))
    if refused:
        raise AdoptionRefused(name=found.name, why="; ".join(refused.values()))


def _provided(found: Preview, kind: Kind) -> dict[str, Any]:
    return {**dict.fromkeys(kind.provided, ""), **found.values}


# --- resources -----------------------------------------------------------------------------------


def _context(found: Preview, kind: Kind, region: Region) -> dict[str, Any]:
    defaults = {
        name: variable.default
        for name, variable in kind.variables.items()
        if variable.has_default and not variable.sensitive
    }
    return {
        "stack": {"name": found.name},
        "region": {
            "slug": region.slug,
            "code": region.code,
            "domain_name": region.domain_name,
            "owner_prefix": region.owner_prefix,
        },
        "inputs": {**defaults, **found.values},
    }


def _find_resources(
    found: Preview, adoption: Adoption, state: OldState, context: dict[str, Any]
) -> dict[str, OldInstance]:
    """Note the resources that have a counterpart; raise for a `must` that is not there once."""
    by_key: dict[str, OldInstance] = {}
    for key, rule in adoption.resources.items():
        fits = [one for one in state.instances if _fits(one, rule, context)]
        if len(fits) == 1:
            by_key[key] = fits[0]
        elif rule.must:
            wanted = ", ".join(f"{k} = {render(v, context)}" for k, v in rule.where.items())
            why = _("its state has %(count)s %(type)s with %(wanted)s, not one.")
            told = {"count": len(fits), "type": rule.type, "wanted": wanted}
            raise AdoptionRefused(name=found.name, why=why % told)
    context["resources"] = {key: one.attributes for key, one in by_key.items()}
    for key, one in by_key.items():
        rule = adoption.resources[key]
        imported_by = _rendered(rule.id, context)
        to = rule.to if imported_by else ""
        found.resources.append(Known(key, one.address, to, str(imported_by or "")))
    known = {one.address for one in by_key.values()}
    found.left = sorted(one.address for one in state.instances if one.address not in known)
    return by_key


def _fits(instance: OldInstance, rule: OldResource, context: Mapping[str, Any]) -> bool:
    if instance.type != rule.type or not fnmatchcase(instance.address, rule.at):
        return False
    wanted = {path: render(template, context) for path, template in rule.where.items()}
    return all(str(instance.get(path)) == str(value) for path, value in wanted.items())


def _take_present(found: Preview, adoption: Adoption, by_key: Mapping[str, OldInstance]) -> None:
    for name, key in adoption.present.items():
        if key in by_key:
            note = _("because of %s") % by_key[key].address
            found.inputs.append(Taken("–", name, True, note))


def _derive(
    found: Preview,
    adoption: Adoption,
    context: Mapping[str, Any],
    by_key: Mapping[str, OldInstance],
) -> None:
    """Work out the outputs that the old tool had none of, and the machines' names."""
    for name, template in adoption.outputs.items():
        value = _rendered(template, context)
        if value is not None:
            found.outputs[name] = value
    for component, template in adoption.machines.items():
        found.machines[component] = str(_rendered(template, context) or "")


def _rendered(template: Any, context: Mapping[str, Any]) -> Any:
    try:
        return render(template, context)
    except LookupMissing:
        return None
