"""FLIF and BPG by the programs of their authors."""
