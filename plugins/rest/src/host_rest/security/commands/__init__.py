"""The commands ``jobhost users`` and ``jobhost clients``."""
