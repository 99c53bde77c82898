"""Calling receivers: where a call may go, how it is signed, how long it may take."""

import hashlib
import hmac
import ipaddress
import json
import time

import pytest

from notices import delivering, webhooks
from notices.errors import (
    AddressNotUsable,
    PrivateAddress,
    ReceiverAway,
    ReceiverFailed,
    ReceiverRefused,
    Redirected,
)
from tests.receiver import receiving


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def here_is_allowed(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


def post(receiver, path="/hook", *, secret="", follows=False):
    return webhooks.send(
        receiver.url + path, {"text": "ä"}, {"X-Omlsaas-Event": "test"}, secret, follows=follows
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:0a01:0203::", "::", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(settings, address):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    assert not webhooks.is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_called(settings, address):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    assert webhooks.is_allowed(ipaddress.ip_address(address))


def test_a_network_may_be_allowed_and_its_neighbour_is_not(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.2.0.0/16"]
    assert webhooks.is_allowed(ipaddress.ip_address("10.2.9.9"))
    assert webhooks.is_allowed(ipaddress.ip_address("::ffff:10.2.9.9"))
    assert not webhooks.is_allowed(ipaddress.ip_address("10.3.0.1"))


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001"])
def test_no_spelling_of_this_machine_is_called(settings, receiver, name):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    receiver.url = receiver.url.replace("127.0.0.1", name)
    with pytest.raises((PrivateAddress, ReceiverAway)):
        post(receiver)
    assert not receiver.got


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "https://", "example.com",
        "javascript:alert(1)",
        "https://user:pw@example.com/", "https://example.com/\r\nX-Evil: 1", "https://a b.example/",
        "http://[::1", "https://example.com:99999/", "https://example.com:0/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_reason(url):
    with pytest.raises(AddressNotUsable) as raised:
        webhooks.check_address(url)
    assert "https://hooks.example.com" in str(raised.value)


def test_the_signature_is_over_the_time_and_the_very_bytes(here_is_allowed, receiver):
    assert post(receiver, secret="k" * 64).code == 200
    got = receiver.got[0]
    message = f"{got.headers['X-Omlsaas-Timestamp']}.".encode() + got.body
    mac = hmac.new(b"k" * 64, message, hashlib.sha256).hexdigest()
    assert got.headers["X-Omlsaas-Signature"] == f"v1={mac}"
    assert abs(int(got.headers["X-Omlsaas-Timestamp"]) - time.time()) < 60
    assert json.loads(got.body) == {"text": "ä"}
    assert got.headers["X-Omlsaas-Event"] == "test"


def test_a_redirect_is_not_followed_unless_the_channel_says_so(here_is_allowed, receiver):
    receiver.code, receiver.headers = 307, {"Location": "/final"}
    with pytest.raises(Redirected):
        post(receiver)
    assert post(receiver, follows=True).code == 200
    assert [got.path for got in receiver.got] == ["/hook", "/hook", "/final"]
    assert receiver.got[-1].body == receiver.got[0].body


def test_a_redirect_that_would_drop_the_body_is_refused(here_is_allowed, receiver):
    receiver.code, receiver.headers = 302, {"Location": "/final"}
    with pytest.raises(Redirected):
        post(receiver, follows=True)


def test_a_redirect_into_a_private_network_is_refused(settings, receiver):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    receiver.code, receiver.headers = 307, {"Location": "http://127.0.0.2:9/"}
    with pytest.raises(PrivateAddress):
        post(receiver, follows=True)


def test_a_receiver_that_goes_round_in_circles_is_left(here_is_allowed, receiver):
    receiver.code, receiver.headers = 308, {"Location": "/hook"}
    with pytest.raises(Redirected):
        post(receiver, follows=True)
    assert len(receiver.got) == webhooks.MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    ("code", "raised"),
    [(500, ReceiverFailed), (429, ReceiverFailed), (404, ReceiverRefused), (410, ReceiverRefused)],
)
def test_what_passes_and_what_does_not(here_is_allowed, receiver, code, raised):
    receiver.code = code
    with pytest.raises(raised) as refusal:
        post(receiver)
    assert str(code) in str(refusal.value)


def test_silence_and_drops_both_end_in_time(here_is_allowed, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 0.6)
    receiver.silence_s = 1.5
    with pytest.raises(ReceiverAway):
        post(receiver)
    receiver.silence_s, receiver.drip_s = 0, 0.05
    # 1000 drops would take 50 s.
    with pytest.raises(ReceiverAway):
        post(receiver)


def test_nobody_there_is_told_in_words(here_is_allowed):
    with pytest.raises(ReceiverAway) as raised:
        webhooks.send("http://127.0.0.1:9/x", {}, {}, "", follows=False)
    assert "It is tried again" in str(raised.value)


def test_waits_grow_have_an_end_and_follow_the_receiver():
    plain = ReceiverFailed(code=500)
    waits = [delivering.wait_s(n, plain) for n in range(1, 12)]
    assert 8 <= waits[0] <= 12
    assert waits[4] > 4 * waits[1]
    assert max(waits) <= 1.2 * delivering.LONGEST_WAIT_S
    asked = ReceiverFailed(code=429)
    asked.retry_after = "120"
    assert delivering.wait_s(1, asked) == 120
    asked.retry_after = "999999999"
    assert delivering.wait_s(1, asked) == delivering.LONGEST_WAIT_S
    for nonsense in ("soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 40):
        asked.retry_after = nonsense
        assert 0 < delivering.wait_s(1, asked) <= delivering.LONGEST_WAIT_S
