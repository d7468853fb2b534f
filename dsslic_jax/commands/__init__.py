"""The commands of `dsslic`, one module each. Light to import: what a command runs, it imports when it runs."""
