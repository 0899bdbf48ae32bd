"""Demos: chains of this repository's own tools, from nothing to a table."""
