"""The REST API: thin doors to the same services that the pages call."""
