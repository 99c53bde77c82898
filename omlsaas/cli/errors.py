"""What the client cannot do, in words for its user."""


class Trouble(Exception):
    """Told on standard error; the client ends with `code`."""

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.code = code
