"""Time zones that people may choose from."""

import zoneinfo


def time_zones() -> list[tuple[str, str]]:
    """Return (name, name) of every zone with a place, and UTC."""
    named = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
    return [("UTC", "UTC"), *((name, name) for name in named)]


def is_zone(name: str) -> bool:
    """Tell whether there is a zone of this name."""
    return name == "UTC" or ("/" in name and name in zoneinfo.available_timezones())
