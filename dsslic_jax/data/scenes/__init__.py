"""Embedded scenes of textured regions, generated from a seed."""
