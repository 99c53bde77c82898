"""Passwords that everybody knows: the defaults that software ships with, and what lists begin with.

A blueprint adds those of its software in blueprint.yaml (`published`). A leaf.
"""

import re
from collections.abc import Collection

# A value that is made of these alone, with whatever digits and signs around and between them.
WORDS = (
    "admin", "administrator", "asdf", "asdfgh", "asdfghjkl", "change", "changeit", "changeme",
    "contraseña", "contrasena", "default", "demo", "example", "guest", "hello", "iloveyou",
    "letmein", "login", "master", "me", "mysql", "now", "pa55word", "pass", "passw0rd", "passwd",
    "password", "please", "postgres", "qwer", "qwerty", "qwertyuiop", "root", "secret",
    "supervisor", "temp", "test", "user", "welcome", "yxcvbnm", "zxcvbnm",
)  # fmt: skip
# Keys in a row, forwards and backwards; what is shorter is refused as too short.
MIN_ROW = 8
ROWS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")
_WORDS_ONLY = re.compile(rf"[\W\d_]*(?:(?:{'|'.join(WORDS)})[\W\d_]*)+")


def is_published(value: str, of_blueprint: Collection[str] = ()) -> bool:
    """Tell whether a secret is one that everybody knows, however it is capitalised."""
    text = value.casefold()
    if text in {known.casefold() for known in of_blueprint} or _WORDS_ONLY.fullmatch(text):
        return True
    if len(text) < MIN_ROW:
        return False
    return len(set(text)) <= 2 or any(text in row or text in row[::-1] for row in ROWS)
