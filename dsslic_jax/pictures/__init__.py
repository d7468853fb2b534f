"""Pictures from and to files of any common format, for people who compress them."""
