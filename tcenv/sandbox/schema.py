"""Check bodies against the part of JSON Schema that the services use, and word the errors as they do (ajv, all errors).

One library reports all errors, but needs a compiled part. The others stop at the first error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None),
}  # fmt: skip
# A date with its time, as ajv accepts it: the zone may be missing.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")

TIME = {"type": "string", "format": "date-time"}
SCOPES = {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^[ -~]*$"}}


def text(longest: int, pattern: str | None = None) -> Schema:
    """Return the schema of a string of at most `longest` characters."""
    return {"type": "string", "maxLength": longest, **({"pattern": pattern} if pattern else {})}


def record(required: str = "", **properties: Schema) -> Schema:
    """Return the schema of an object with exactly these properties. `required` names those that it must have."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def find_errors(value: Any, schema: Schema, place: str = "data") -> Iterator[str]:
    """Yield the errors of a value, in the order in which the services report them."""
    kind = schema.get("type")
    if kind is not None and not _is_of_type(value, kind):
        yield f"{place} must be {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} must be equal to one of the allowed values"
    if isinstance(value, str):
        yield from _find_in_text(value, schema, place)
    elif isinstance(value, list):
        yield from _find_in_array(value, schema, place)
    elif isinstance(value, dict):
        yield from _find_in_object(value, schema, place)
    elif _is_of_type(value, "number"):
        for name, sign, wrong in (("minimum", ">=", value < schema.get("minimum", value)),
                                  ("maximum", "<=", value > schema.get("maximum", value))):  # fmt: skip
            if wrong:
                yield f"{place} must be {sign} {schema[name]}"


def _is_of_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _find_in_text(value: str, schema: Schema, place: str) -> Iterator[str]:
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{place} must NOT have more than {schema['maxLength']} characters"
    if len(value) < schema.get("minLength", 0):
        yield f"{place} must NOT have fewer than {schema['minLength']} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f'{place} must match pattern "{schema["pattern"]}"'
    if schema.get("format") == "date-time" and not _is_time(value):
        yield f'{place} must match format "date-time"'


def _is_time(value: str) -> bool:
    try:
        return bool(_DATE_TIME.fullmatch(value) and datetime.fromisoformat(value.upper()))
    except ValueError:
        return False


def _find_in_array(value: list[Any], schema: Schema, place: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{place} must NOT have more than {schema['maxItems']} items"
    if schema.get("uniqueItems"):
        twice = next(((i, j) for i in range(len(value)) for j in range(i) if value[i] == value[j]), None)
        if twice is not None:
            yield f"{place} must NOT have duplicate items (items ## {twice[0]} and {twice[1]} are identical)"
    for index, item in enumerate(value):
        yield from find_errors(item, schema.get("items", {}), f"{place}/{index}")


def _find_in_object(value: dict[str, Any], schema: Schema, place: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place} must have required property '{name}'"
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name in value:
        if name not in properties and others is False:
            yield f'{place} must NOT have additional properties: "{name}"'
    for name, item in value.items():
        inner = properties.get(name, others)
        if isinstance(inner, Mapping):
            yield from find_errors(item, inner, f"{place}/{name}")


def fill(value: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the object with its schema's default values for missing properties."""
    missing = {
        name: inner["default"]
        for name, inner in schema.get("properties", {}).items()
        if "default" in inner and name not in value
    }
    return {**missing, **value}
