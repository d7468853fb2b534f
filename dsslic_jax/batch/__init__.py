"""Folders of pictures and streams, many files at a time."""
