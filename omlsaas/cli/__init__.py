"""The command-line client: a program of its own that speaks to the API and imports no Django."""
