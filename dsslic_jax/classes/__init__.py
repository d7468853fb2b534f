"""Label tables: what class ids mean; those that come with the package lie in `tables/`."""
