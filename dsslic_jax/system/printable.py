"""Names from files and file systems, made safe to print."""


def printable(text: str) -> str:
    """One line that a terminal shows and does not obey: file and class names may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
