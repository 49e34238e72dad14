"""yash."""

from tcenv.shells.posix import failure, quote, statements

__all__ = ["failure", "quote", "statements"]
