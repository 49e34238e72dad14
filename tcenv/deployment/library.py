"""Imports the `taskcluster` library without what it imports only to send, which tcenv does by itself: `requests` and `mohawk`
take three times as long to import as all the rest, and are there all the same when something asks for them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_LATER = ("requests", "requests.exceptions", "mohawk", "mohawk.bewit", "slugid")


class _Later(ModuleType):
    """Stands for a module until somebody wants something of it."""

    def __getattr__(self, name: str) -> Any:
        module = import_module(self.__name__)
        try:
            return getattr(module, name)
        except AttributeError:
            return import_module(f"{self.__name__}.{name}")


def _imported() -> ModuleType:
    standing_in = {name: _Later(name) for name in _LATER if name not in sys.modules}
    sys.modules.update(standing_in)
    try:
        return import_module("taskcluster")
    finally:
        for name, module in standing_in.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


taskcluster: Any = _imported()
