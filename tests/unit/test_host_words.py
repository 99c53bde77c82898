"""What Ansible, ssh, sudo and podman say, and which sentence a person reads of it."""

from types import SimpleNamespace

import pytest

from deployments.runner.callbacks import json_lines
from deployments.steps import playbooks

WORDS = {
    "HostKeyChanged": "Failed to connect to the host via ssh: Host key verification failed.",
    "HostSignInRefused": "root@10.0.0.1: Permission denied (publickey).",
    "SudoRefused": "sudo: a password is required",
    "HostDiskFull": "Error: writing blob: write /var/tmp/x: no space left on device",
    "PythonUnsuitable": (
        "ansible-core requires a minimum of Python version 3.8. Current version: 3.6.8 (default)"
    ),
    "ImageMissing": (
        "Error: initializing source docker://docker.io/omnileads/nginx:9: reading manifest 9 in "
        "docker.io/omnileads/nginx: manifest unknown"
    ),
    "DatabaseHeld": "psql:<stdin>:1: ERROR:  canceling statement due to lock timeout",
    "RegistryMute": (
        "Error: initializing source docker://docker.io/omnileads/nginx:9: pinging container "
        "registry registry-1.docker.io: dial tcp: lookup registry-1.docker.io: no such host"
    ),
}


def meaning(words: str, kind: str = "ansible.playbook", **row):
    """Return what a failure with these words on host core-one means."""
    found = [
        {"summary": words, "detail": "", "address": "core-one", "place": "a.yml:1, in “Do it”"}
    ]
    rows = [{"host": "core-one", "unreachable": 0, **row}]
    work = SimpleNamespace(
        step=SimpleNamespace(kind=kind, progress={"hosts": rows}),
        kind=SimpleNamespace(actions={}),
    )
    return playbooks.meaning_of(work, found)


@pytest.mark.parametrize("code", WORDS)
def test_known_words_have_a_sentence_with_the_next_step(code):
    refusal = meaning(WORDS[code])
    assert type(refusal).__name__ == code
    assert "core-one" in str(refusal) and len(str(refusal).split(". ")) > 1


def test_the_python_that_was_found_is_told():
    assert "3.6.8" in str(meaning(WORDS["PythonUnsuitable"]))


def test_other_words_are_told_as_they_are_unless_there_was_no_way_to_the_host():
    assert type(meaning("boom")).__name__ == "PlaybookFailed"
    assert "boom" in str(meaning("boom")) and "Do it" in str(meaning("boom"))
    assert type(meaning("Connection refused", unreachable=1)).__name__ == "HostUnreachable"


def test_a_host_that_is_lost_in_the_middle_may_have_stopped_units():
    lost = meaning("Connection refused", unreachable=1, ok=3)
    assert type(lost).__name__ == "HostLost"
    assert "stays stopped" in str(lost) and "start what does not run" in str(lost)
    read = meaning("Connection refused", kind="ansible.ask", unreachable=1, ok=3)
    assert type(read).__name__ == "HostUnreachable"


def test_why_a_module_did_not_run_at_all_is_told_and_not_that_it_did_not():
    """What Ansible has of a host without sudo when it gathers facts."""
    of_module = {
        "failed": True,
        "module_stderr": "/bin/sh: 1: sudo: not found\n",
        "module_stdout": "",
        "msg": "Module result deserialization failed: No start of json char found",
    }
    told = {
        "failed_modules": {"ansible.legacy.setup": of_module},
        "msg": "The following modules failed to execute: ansible.legacy.setup.",
    }
    said = []
    module = json_lines.CallbackModule()
    module.tell = lambda *_words, **facts: said.append(facts["diagnostic"])
    task = SimpleNamespace(get_path=lambda: "install.yml:4", get_name=lambda: "Gathering Facts")
    host = SimpleNamespace(get_name=lambda: "core-one")
    module._diagnose(SimpleNamespace(result=told, host=host, task=task))
    assert said[0]["summary"] == "/bin/sh: 1: sudo: not found"
    assert type(meaning(said[0]["summary"])).__name__ == "SudoRefused"


@pytest.mark.parametrize(
    ("stderr", "summary"),
    [
        ("psql:<stdin>:9: ERROR:  out of shared memory\nHINT:  Raise it.\n",
         "psql:<stdin>:9: ERROR:  out of shared memory"),
        ("Error: no such container\n", "Error: no such container"),
        ("a note\nthe end", "the end"),
        ("", "non-zero return code"),
    ],
)  # fmt: skip
def test_of_a_command_its_own_words_are_told(stderr, summary):
    told = {"failed": True, "msg": "non-zero return code", "stderr": stderr, "rc": 3}
    assert json_lines._first(told) == summary
