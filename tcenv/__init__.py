"""Taskcluster credentials for shells, directories and commands.

Must import nothing: every `tcenv env` pays for what stands here."""

__version__ = "0.1.0"
__all__ = ["credentials", "errors"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv import errors
    from tcenv.api import credentials


def __getattr__(name: str) -> object:
    if name == "credentials":
        from tcenv.api import credentials

        return credentials
    if name == "errors":
        import tcenv.errors

        return tcenv.errors
    raise AttributeError(f"module 'tcenv' has no attribute {name!r}")
