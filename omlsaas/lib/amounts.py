"""Numbers as people read them."""

UNITS = ("B", "kB", "MB", "GB", "TB")


def amount(size: float | None) -> str:
    """Return a number of bytes as people read it: `1.9 GB`."""
    if size is None:
        return ""
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""
