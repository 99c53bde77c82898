"""Starts and minds the engines: no Django here, the standard library and theirs only."""
