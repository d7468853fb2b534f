"""Pictures x codecs x settings, measured and stored."""
