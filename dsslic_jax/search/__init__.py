"""Finding `.dsslic` files by what their label maps hold, from headers and label layers alone."""
