"""What stands beside the portal in `make demo-aws`."""

import http.client
import socket
import ssl
import time
import urllib.error
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from demo import folder, needs
from demo.certificates import Authority
from demo.names import NameServer
from demo.site import Site
from tests.unit.test_house import imports

PROJECT = Path(__file__).resolve().parent.parent.parent
HOST = "acme.demo.example.net"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def site(authority):
    made = Site(authority.issue("demo.example.net"), refused_s=0.6, unready_s=1.6)
    yield made
    made.stop()


def answer(site, authority, path: str) -> int | str:
    """Return a page's status, or why there is none. The host is checked against the CA."""
    context = ssl.create_default_context(cafile=str(authority.file))
    connection = http.client.HTTPConnection(HOST)
    try:
        plain = socket.create_connection(("127.0.0.1", site.port), 5)
        connection.sock = context.wrap_socket(plain, server_hostname=HOST)
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:  # the port may close while we come in
        return "refused"
    finally:
        connection.close()


def stages(site, authority, seconds: float) -> list[int | str]:
    """Return the answers of `/` for a while, each once when it is new."""
    seen: list[int | str] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until and 302 not in seen:
        now = answer(site, authority, "/")
        if now not in seen[-1:]:
            seen.append(now)
        time.sleep(0.05)
    return seen


def test_a_host_is_refused_then_unready_then_serves(site, authority):
    assert answer(site, authority, "/") == "refused"
    site.note(HOST, True)
    assert stages(site, authority, 10) == ["refused", 503, 302]
    assert answer(site, authority, "/accounts/login/") == 200
    assert answer(site, authority, "/nothing") == 404


def test_a_new_host_is_refused_again_and_one_without_a_name_is_forgotten(site, authority):
    site.note("globex.demo.example.net", True)
    time.sleep(1)
    site.note("globex.demo.example.net", False)
    site.note(HOST, True)
    assert stages(site, authority, 10)[-3:] == ["refused", 503, 302]
    assert site.status("globex.demo.example.net", "/") == 503


def test_a_name_is_there_as_soon_as_the_zone_has_it():
    zone: set[str] = set()
    server = NameServer(zone.__contains__)
    address, _, port = server.address.partition(":")

    def ask(kind: str):
        return dns.query.udp(dns.message.make_query(HOST, kind), address, port=int(port), timeout=5)

    try:
        assert ask("A").rcode() == dns.rcode.NXDOMAIN
        zone.add(HOST)
        assert ask("A").answer[0][0].to_text() == "127.0.0.1"
        assert (ask("AAAA").rcode(), ask("AAAA").answer) == (dns.rcode.NOERROR, [])
    finally:
        server.stop()


def test_the_folder_is_begun_anew_but_for_providers(tmp_path):
    var = tmp_path / "demo"
    folder.begin(var).close()
    (var / "providers").mkdir()
    (var / "postgres").mkdir()
    (var / "postgres" / "file").touch()
    (var / "secret_key").touch()
    with folder.begin(var):
        assert {path.name for path in var.iterdir()} == {"providers", ".demo", "launcher.lock"}
        with pytest.raises(needs.Missing, match="already running"):
            folder.begin(var)


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(needs.Missing, match="not made by the demo"):
        folder.begin(tmp_path)
    assert (tmp_path / "precious").exists()


def test_without_terraform_it_says_where_to_get_it(monkeypatch):
    monkeypatch.setenv("TERRAFORM_BIN", "terraform-that-is-not-there")
    with pytest.raises(needs.Missing, match="TERRAFORM_BIN=/path/to/terraform make demo-aws"):
        needs.terraform()


def test_a_mirror_without_the_provider_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PROVIDER_MIRROR", str(tmp_path))
    with pytest.raises(needs.Missing, match="no provider hashicorp/aws in it"):
        needs.mirror()
    (tmp_path / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    assert needs.mirror() == str(tmp_path)


def test_without_mirror_and_registry_it_says_how_to_make_a_mirror(monkeypatch, tmp_path):
    def unreachable(*_: object, **__: object):
        raise urllib.error.URLError("no route")

    monkeypatch.delenv("PROVIDER_MIRROR", raising=False)
    monkeypatch.setattr(needs, "MIRRORS", ())
    monkeypatch.setattr(needs, "OTHERS", str(tmp_path))
    monkeypatch.setattr(needs.urllib.request, "urlopen", unreachable)
    with pytest.raises(needs.Missing, match=r"no route.*PROVIDER_MIRROR=FOLDER make demo-aws"):
        needs.mirror()


def test_a_port_that_is_taken_is_told(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        monkeypatch.delenv("HOST", raising=False)
        with pytest.raises(needs.Missing, match="PORT=8010 make demo-aws"):
            needs.port()


def test_the_demo_imports_nothing_of_the_portal():
    ours = ("tenants", "deployments", "omlsaas", "tests", "bench")
    wrong = [
        f"{path.name}:{line} {name}"
        for path in (PROJECT / "demo").glob("*.py")
        for name, line in imports(path)
        if name.split(".")[0] in ours
    ]
    assert wrong == []
