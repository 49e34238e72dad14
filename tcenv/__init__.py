"""Taskcluster credentials for shells, directories and commands.

Must import nothing: every `tcenv env` pays for what stands here."""

__version__ = "0.1.0"
__all__ = ["credentials"]


def __getattr__(name: str) -> object:
    if name == "credentials":
        from tcenv.api import credentials

        return credentials
    raise AttributeError(f"module 'tcenv' has no attribute {name!r}")
