"""A run's private folder: its files, its bundle, its end."""

import io
import json
import os
import tarfile

import pytest
import zstandard

from deployments.runner import workdir
from deployments.runner.workdir import UnsafePath, Workdir

RUN = "run_01ABCDEFGHJKMNPQRSTVWXYZ01"
STACK = "stk_01ABCDEFGHJKMNPQRSTVWXYZ01"


@pytest.fixture
def folder(tmp_path):
    return Workdir(tmp_path / "workdirs", RUN).make()


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    "run_id",
    ["", "..", "run_short", "/etc", RUN + "\n", RUN + "/..", "RUN" + RUN[3:], RUN[:-1] + "é"],
)
def test_name_that_is_no_id_makes_no_path(tmp_path, run_id):
    with pytest.raises(UnsafePath):
        Workdir(tmp_path, run_id)
    with pytest.raises(UnsafePath):
        workdir.local_state_path(tmp_path, run_id)


def test_folders_are_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        made = Workdir(tmp_path / "w", RUN).make()
    finally:
        os.umask(old)
    assert {mode(p) for p in (made.path, made.tf, made.path / "steps", made.path / "tmp")} == {
        0o700
    }
    assert made.step_dir(3) == made.path / "steps" / "3"


def test_inputs_are_written_one_key_per_line(folder):
    values = {"name": 'a "b"\nc', "sizes": {"x": [1, 2]}, "none": None, "on": True}
    path = workdir.write_tfvars(folder.tf, values)
    assert json.loads(path.read_text()) == values
    assert len(path.read_text().splitlines()) == len(values) + 2
    assert mode(path) == 0o600


def test_no_inputs_are_still_json(folder):
    assert json.loads(workdir.write_tfvars(folder.tf, {}).read_text()) == {}


def test_local_backend_has_an_absolute_path_in_a_private_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = workdir.write_local_backend(folder.tf, "state", STACK)
    written = json.loads((folder.tf / "backend_override.tf.json").read_text())
    assert written["terraform"]["backend"]["local"]["path"] == str(state)
    assert state == tmp_path / "state" / STACK / "terraform.tfstate"
    assert mode(state.parent) == 0o700


def test_cli_configuration_names_the_mirror(folder):
    text = folder.write_cli_config('/opt/a "b" ${x}').read_text()
    assert 'filesystem_mirror { path = "/opt/a \\"b\\" $${x}" }' in text
    assert "direct" not in text, "what is not in the mirror is refused at once"
    assert "disable_checkpoint = true" in text


def test_cli_configuration_without_a_mirror(folder):
    assert "filesystem_mirror" not in folder.write_cli_config().read_text()


@pytest.fixture
def filled(folder):
    module = folder.tf / "lab" / "tenant"
    module.mkdir(parents=True)
    (module / "main.tf").write_text("# hcl")
    (module / ".terraform.lock.hcl").write_text("# lock")
    (module / "plan.bin").write_bytes(os.urandom(100_000))
    script = module / "run.sh"
    script.write_text("#!/bin/sh")
    script.chmod(0o755)
    (module / ".terraform" / "providers").mkdir(parents=True)
    (module / ".terraform" / "providers" / "link").symlink_to("/etc")
    (folder.tf / "modules" / "empty").mkdir(parents=True)
    return folder


def content(folder):
    return {
        str(p.relative_to(folder)): (p.read_bytes(), mode(p) & 0o100) if p.is_file() else None
        for p in folder.rglob("*")
        if ".terraform" not in p.parts
    }


def test_bundle_brings_back_every_file_but_those_of_init(filled, tmp_path):
    target = tmp_path / "other"
    workdir.unpack(workdir.seal(filled.tf), target)
    assert content(target) == content(filled.tf)
    assert not (target / "lab" / "tenant" / ".terraform").exists()
    assert {mode(p) for p in target.rglob("*") if p.is_file()} <= {0o600, 0o700}


def test_same_files_give_the_same_bundle(filled):
    first = workdir.seal(filled.tf)
    for path in filled.tf.rglob("*.tf"):
        os.utime(path, (0, 0))
    assert workdir.seal(filled.tf) == first


def test_link_is_not_sealed(filled):
    (filled.tf / "link").symlink_to("/etc/passwd")
    with pytest.raises(UnsafePath):
        workdir.seal(filled.tf)


def bundle_with(name, kind=tarfile.REGTYPE, **more):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as bundle:
        member = tarfile.TarInfo(name)
        member.type = kind
        for key, value in more.items():
            setattr(member, key, value)
        bundle.addfile(member, io.BytesIO(b"x" * member.size))
    return zstandard.compress(buffer.getvalue())


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_bundle_cannot_write_outside(tmp_path, name):
    with pytest.raises(UnsafePath):
        workdir.unpack(bundle_with(name, size=1), tmp_path / "tf")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_bundle_with_anything_but_files_and_folders_is_refused(tmp_path, kind):
    with pytest.raises(UnsafePath):
        workdir.unpack(bundle_with("x", kind, linkname="/etc/passwd"), tmp_path / "tf")


def test_bundle_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir, "BUNDLE_LIMIT", 1_000)
    with pytest.raises(UnsafePath):
        workdir.unpack(bundle_with("x", size=1_001), tmp_path / "tf")


def test_bundle_does_not_write_through_a_link_that_is_there(tmp_path):
    (tmp_path / "tf").mkdir()
    (tmp_path / "tf" / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError):
        workdir.unpack(bundle_with("x", size=1), tmp_path / "tf")


def test_remove_takes_read_only_folders_and_leaves_what_links_lead_to(filled, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir(mode=0o755)
    (mirror / "provider").write_text("x")
    (filled.tf / "link").symlink_to(mirror)
    (filled.tf / "lab").chmod(0o500)
    filled.remove()
    assert not filled.path.exists()
    assert (mirror / "provider").exists()
    assert mode(mirror) == 0o755


def test_remove_of_nothing_is_fine(tmp_path):
    workdir.remove(tmp_path / "absent")


def test_free_space_is_told_for_a_folder_that_does_not_exist_yet(tmp_path):
    assert workdir.free_bytes(tmp_path / "a" / "b") > 0
