"""Files, processes and terminals: what every room stands on."""
