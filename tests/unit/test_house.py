"""The picture of docs/develop.md: who may import whom."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
ENGINE_LIBRARIES = {"python_terraform", "ansible", "orjson", "zstandard"}

# Rooms from the bottom up: a room may import itself and what stands before it.
ROOMS = [
    ("deployments.runstatus",),
    ("deployments.errors",),
    ("deployments.cloud.errors", "deployments.cloud.diagnoses"),
    ("deployments.models",),
    ("deployments.cloud",),
    ("deployments.notify", "deployments.identity", "deployments.doorbell", "deployments.facts"),
    (
        "deployments.logs",
        "deployments.logstore",
        "deployments.logcompact",
        "deployments.compactor",
    ),
    ("deployments.services",),
    ("deployments.work",),
    ("deployments.steps",),
    (
        "deployments.evidence",
        "deployments.minding",
        "deployments.outcome",
        "deployments.execution",
    ),
    (
        "deployments.housekeeping",
        "deployments.instances",
        "deployments.worker",
    ),
    ("deployments.tasks",),
]


def module_name(path: Path) -> str:
    """Return a file's dotted module name."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[tuple[str, int]]:
    """Return every import of a file, wherever it stands, with its line."""
    found = []
    package = module_name(path)
    if path.name != "__init__.py":
        package = package.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base]).strip(".")
            found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return found


def files(folder: str) -> list[Path]:
    """Return the Python files of a package, without migrations."""
    return sorted(p for p in (PROJECT / folder).rglob("*.py") if "migrations" not in p.parts)


def within(name: str, package: str) -> bool:
    """Tell whether a dotted name is the package or below it."""
    return name == package or name.startswith(f"{package}.")


def offences(paths: list[Path], is_forbidden) -> list[str]:
    """Return `file:line imports x` for each import that is forbidden."""
    return [
        f"{path.relative_to(PROJECT)}:{line} imports {name}"
        for path in paths
        for name, line in imports(path)
        if is_forbidden(path, name)
    ]


def test_tenants_asks_nothing_of_deployments():
    assert not offences(files("tenants"), lambda _, name: within(name, "deployments"))


def test_nobody_asks_notices_for_anything():
    """Runs know nothing of who hears of them: the outbox stands between."""
    assert not offences(
        files("tenants") + files("deployments"), lambda _, name: within(name, "notices")
    )


def test_the_frame_library_is_a_leaf():
    def forbidden(_, name):
        return within(name, "tenants") or within(name, "deployments")

    assert not offences(files("omlsaas/lib"), forbidden)


def test_the_apps_use_of_the_frame_only_its_library():
    def forbidden(_, name):
        return within(name, "omlsaas") and not (
            within(name, "omlsaas.lib") or name == "omlsaas.__version__"
        )

    # Management commands are doors like manage.py itself.
    paths = [p for p in files("tenants") + files("deployments") if "commands" not in p.parts]
    assert not offences(paths, forbidden)


def test_the_runner_knows_neither_django_nor_the_portal():
    import sys

    def forbidden(_, name):
        top = name.split(".")[0]
        ours = within(name, "deployments.runner") or top in ("proctable", "supervisor")
        return not (ours or top in sys.stdlib_module_names or top in ENGINE_LIBRARIES)

    assert not offences(files("deployments/runner"), forbidden)


def test_only_what_ansible_loads_imports_ansible():
    paths = files("deployments") + files("tenants") + files("omlsaas")
    paths = [p for p in paths if p.parent.name != "callbacks"]
    assert not offences(paths, lambda _, name: within(name, "ansible"))


def test_only_the_runner_starts_processes():
    def forbidden(path, name):
        allowed = {
            # Terraform's own judgement of inputs, before there is a run; it is bounded and short.
            "omlsaas/lib/terraform_cli.py",
        }
        return within(name, "subprocess") and str(path.relative_to(PROJECT)) not in allowed

    paths = [p for p in files("deployments") if "runner" not in p.parts] + files("tenants")
    assert not offences(paths, forbidden)


def test_only_the_cloud_package_speaks_to_a_provider():
    paths = files("deployments") + files("tenants") + files("omlsaas")
    paths = [p for p in paths if not module_name(p).startswith("deployments.cloud")]
    assert not offences(paths, lambda _, name: within(name, "boto3") or within(name, "botocore"))


def test_the_launcher_imports_no_django():
    def forbidden(_, name):
        return any(within(name, top) for top in ("django", "tenants", "deployments", "celery"))

    paths = [PROJECT / "omlsaas/launcher.py", PROJECT / "omlsaas/lib/embedded.py"]
    assert not offences(paths, forbidden)


def test_rooms_of_deployments_look_down_only():
    rank = {name: place for place, names in enumerate(ROOMS) for name in names}

    def room_of(name):
        found = [room for room in rank if within(name, room)]
        return max(found, key=len, default=None)

    wrong = []
    for path in files("deployments"):
        mine = room_of(module_name(path))
        if mine is None:
            continue
        for name, line in imports(path):
            theirs = room_of(name)
            if theirs is not None and rank[theirs] > rank[mine]:
                wrong.append(f"{path.relative_to(PROJECT)}:{line} imports {name}")
    assert not wrong


def test_no_import_hides_in_a_function_to_slip_through_a_wall():
    wrong = []
    for path in files("tenants") + files("deployments"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                is_ours = isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    ("tenants", "deployments")
                )
                # AppConfig.ready is where Django wants registrations imported.
                if is_ours and function.name != "ready":
                    wrong.append(f"{path.relative_to(PROJECT)}:{node.lineno}")
    assert not wrong


def test_only_one_function_writes_a_runs_status():
    """`.update(status=…)` on runs stands in lifecycle.advance alone."""
    wrong = []
    # The runner has rows of its own with a status; it knows no database.
    paths = [p for p in files("deployments") + files("tenants") if "runner" not in p.parts]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            writes = node.func.attr == "update" and any(k.arg == "status" for k in node.keywords)
            if writes and module_name(path) != "deployments.services.lifecycle":
                wrong.append(f"{path.relative_to(PROJECT)}:{node.lineno}")
    assert not wrong


@pytest.mark.parametrize("folder", ["tenants", "deployments", "omlsaas", "templates", "static/js"])
def test_no_product_is_named_in_the_portals_own_code(folder):
    """What is deployed is data: blueprints name products, the portal does not."""
    products = ("omnileads", "asterisk", "kamailio", "rtpengine", "wombat", "freeswitch")
    wrong = []
    for path in (PROJECT / folder).rglob("*"):
        if path.suffix not in {".py", ".html", ".js"}:
            continue
        text = path.read_text().lower()
        wrong += [f"{path.relative_to(PROJECT)}: {name}" for name in products if name in text]
    assert not wrong
