"""Frozen values: the part of `dataclasses` that tcenv uses, under the same names. The import of the library brings `inspect`, and
takes nearly as long as the interpreter takes to start, which every login would wait for. Type checkers see the library."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import asdict, dataclass, field, replace
else:

    class _Field:
        __slots__ = ("default", "factory", "shown")

        def __init__(self, default, factory, shown):
            self.default, self.factory, self.shown = default, factory, shown

    _MISSING = object()

    def field(*, default=_MISSING, default_factory=None, repr=True):
        """What `dataclasses.field` is for these three settings."""
        return _Field(default, default_factory, repr)

    class _Fields:
        """What tells `dataclasses` that a class is one of its own: made when somebody asks."""

        def __get__(self, instance, owner):
            import dataclasses

            content = {"__annotations__": owner.__annotations__}
            for name, own in owner._fields_.items():
                if own.factory is not None:
                    content[name] = dataclasses.field(default_factory=own.factory)
                elif own.default is not _MISSING:
                    content[name] = own.default
            return dataclasses.dataclass(frozen=True)(type(owner.__name__, (), content)).__dataclass_fields__

    def _init(self, *values, **named):
        given = self.__dict__
        fields = self._fields_
        if len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} values at most")
        given.update(zip(fields, values, strict=False))
        for name, value in named.items():
            if name not in fields or name in given:
                raise TypeError(f"{type(self).__name__} takes no {name}, or has it already")
            given[name] = value
        for name, own in fields.items():
            if name in given:
                continue
            if own.factory is not None:
                given[name] = own.factory()
            elif own.default is not _MISSING:
                given[name] = own.default
            else:
                raise TypeError(f"{type(self).__name__} needs {name}")
        check = getattr(self, "__post_init__", None)
        if check is not None:
            check()

    def _frozen(self, name, value=None):
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be changed")

    def _values(self):
        return tuple([self.__dict__[name] for name in self._fields_])

    def _equal(self, other):
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _repr(self):
        shown = [f"{name}={self.__dict__[name]!r}" for name, own in self._fields_.items() if own.shown]
        return f"{type(self).__name__}({', '.join(shown)})"

    def dataclass(*, frozen):
        """What `dataclasses.dataclass(frozen=True)` is, for classes without a base."""
        assert frozen

        def made(cls):
            fields = {}
            for name in cls.__annotations__:
                own = cls.__dict__.get(name, _MISSING)
                fields[name] = own if isinstance(own, _Field) else _Field(own, None, True)
                if own is not _MISSING and isinstance(own, _Field):
                    delattr(cls, name)
            cls._fields_ = fields
            cls.__init__, cls.__eq__, cls.__hash__, cls.__repr__ = _init, _equal, _hash, _repr
            cls.__setattr__ = cls.__delattr__ = _frozen
            cls.__match_args__ = tuple(fields)
            cls.__dataclass_fields__ = _Fields()
            return cls

        return made

    def replace(value, **changes):
        """A copy of `value` with other fields, checked as a new one is."""
        return type(value)(**{**value.__dict__, **changes})

    def asdict(value):
        """The fields by name; values in values as they are."""
        return {name: value.__dict__[name] for name in value._fields_}


__all__ = ["asdict", "dataclass", "field", "replace"]
