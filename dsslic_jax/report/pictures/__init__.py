"""The pictures on report pages: decoded, cropped, by layer, with their errors."""
