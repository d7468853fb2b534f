"""A model directory of named parts: written, read, joined, checked, found, described and exchanged."""
