"""The frame of the portal: settings, URLs, processes. No rules live here."""

__version__ = "0.1.0"
