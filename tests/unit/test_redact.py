"""No known secret survives, in whatever form a program prints it."""

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.runner.redact import DOTS, Redactor, SecretTooShort
from deployments.runner.tail import LINE_LIMIT, cut_line

SIGNS = "abcXYZ019 \"\\/<>&'%+=-_.:@$#\tü€😀\u2028"
secrets = st.text(alphabet=SIGNS, min_size=8, max_size=60).filter(lambda s: s.strip())
around = st.text(alphabet="abc 012{}[]:,é\n", max_size=40)


def go_json(text):
    """Escape as Go's encoding/json does: what Terraform prints."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for sign in "<>&\u2028\u2029":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    return escaped


def browser_json(text):
    return json.dumps(text, ensure_ascii=False)[1:-1]


def ascii_json(text):
    return json.dumps(text)[1:-1]


FORMS = {
    "plain": lambda s: s,
    "go json": go_json,
    "browser json": browser_json,
    "ascii json": ascii_json,
    "go json twice": lambda s: go_json(go_json(s)),
    "browser json in go json": lambda s: go_json(browser_json(s)),
    "ascii json twice": lambda s: ascii_json(ascii_json(s)),
    "url": lambda s: quote(s, safe=""),
    "url path": quote,
    "url form": quote_plus,
    "url lower case": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=secrets, before=around, after=around)
def test_planted_secret_never_survives(form, secret, before, after):
    planted = FORMS[form](secret)
    block = f"{before}{planted}{after}\n".encode()
    clear = Redactor([secret]).apply(block)
    assert planted.encode() not in clear
    assert DOTS.encode() in clear


@given(
    secret=secrets, before=st.binary(max_size=7), after=st.binary(max_size=7), safe=st.booleans()
)
def test_secret_inside_of_base64_never_survives(secret, before, after, safe):
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    coded = encode(before + secret.encode() + after)
    clear = Redactor([secret]).apply(b"user_data: " + coded + b"\n")
    assert DOTS.encode() in clear
    head, _, tail = clear.partition(DOTS.encode())
    # At most the six bits at each edge that are shared with what stands around it are left.
    left = len(head) - len("user_data: ") + len(tail) - 1
    assert left <= len(coded) - len(secret.encode()) * 8 // 6 + 2


@given(secret=secrets, other=secrets, cut=st.integers(min_value=1, max_value=7))
def test_secrets_that_overlap_are_both_gone(secret, other, cut):
    block = (secret + other[cut:] + "\n").encode()
    clear = Redactor([secret, other, secret[-cut:] + other[cut:] + "12345678"]).apply(block)
    assert secret.encode() not in clear


@given(secret=secrets, text=around)
def test_text_without_the_secret_is_the_very_same(secret, text):
    block = text.encode()
    if secret not in text:
        assert Redactor([secret]).apply(block) is block


def test_length_of_a_secret_is_not_told():
    redactor = Redactor(["short-one", "a-much-longer-secret-than-that"])
    one = redactor.apply(b"x short-one y\n")
    two = redactor.apply(b"x a-much-longer-secret-than-that y\n")
    assert one == two == f"x {DOTS} y\n".encode()


def test_every_long_line_of_a_value_with_several_lines_is_found():
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\n  hkiG9w0BAQEFAASC\nab==\n-----END KEY-----\n"
    redactor = Redactor([key])
    for line in ("MIIBVgIBADANBgkq", "hkiG9w0BAQEFAASC", "-----END KEY-----"):
        assert line not in redactor.text(f"  {line},\n")
    assert redactor.text("ab==\n") == "ab==\n"


def test_control_characters_are_found_as_they_are_shown():
    assert Redactor(["pass\x01word\x02"]).text("pass␁word␂") == DOTS


def test_secret_that_ends_where_a_line_was_cut_is_hidden():
    secret = "correct-horse-battery-staple"
    line = b"x" * (LINE_LIMIT - 10) + secret.encode()
    clear = Redactor([secret]).apply(cut_line(line, 100_000))
    assert b"correct-ho" not in clear
    assert clear.endswith(f"{DOTS} … [line cut, 100000 bytes]\n".encode())


@pytest.mark.parametrize("secret", ["", "seven77", "ü" * 7])
def test_short_secret_is_refused(secret):
    with pytest.raises(SecretTooShort):
        Redactor([secret])


def test_tree_is_cleared_in_values_and_keys():
    tree = {"a": ["x hunter2-hunter2", 1, None, True], "hunter2-hunter2": {"b": "no"}}
    clear = Redactor(["hunter2-hunter2"]).tree(tree)
    assert clear == {"a": [f"x {DOTS}", 1, None, True], DOTS: {"b": "no"}}


def test_tree_without_a_secret_is_the_very_same():
    tree = {"a": ["x", 1 << 80]}
    assert Redactor(["hunter2-hunter2"]).tree(tree) is tree


@pytest.mark.parametrize("count", [3, 1_000])
def test_narrowed_redactor_clears_what_it_was_narrowed_for(count):
    known = [f"secret number {n:04d} / x" for n in range(count)]
    tree = {"a": [f"<{known[1]}>", quote(known[2]), base64.b64encode(known[0].encode()).decode()]}
    whole = Redactor(known)
    few = whole.narrowed(tree)
    assert few.tree(tree) == whole.tree(tree) != tree
    assert len(few._needles) <= 3


def test_redactor_that_was_narrowed_to_nothing_changes_nothing():
    tree = {"a": "plain text"}
    assert Redactor(["hunter2-hunter2"]).narrowed(tree).tree(tree) is tree
