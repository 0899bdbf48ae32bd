"""Inferencers and the long jobs, as functions."""
