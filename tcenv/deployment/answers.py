"""Reading what a deployment answers, strictly: every field of the right kind and about the right client, or nothing of it is
believed. What these functions return is fit for a file, a shell and a terminal."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any, NoReturn

from tcenv.deployment.credentials import ACCESS_TOKEN, SCOPE
from tcenv.deployment.transport import Unusable
from tcenv.values import dataclass

# Times as the service writes them; the milliseconds and another zone than Z are allowed for.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")

_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class ClientFacts:
    """What a deployment says of a client. `expires` is seconds since the epoch; `scopes` are its own, `expanded` those and
    what its roles add."""

    client_id: str
    expires: int
    disabled: bool
    scopes: tuple[str, ...]
    expanded: tuple[str, ...]


def http_date(text: str) -> int | None:
    """A Date header in seconds since the epoch; None where it is no time of the one form that HTTP has servers write."""
    match = _DATE.fullmatch(text.strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
    try:
        moment = datetime.datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


def parse(body: bytes) -> Any:
    """The JSON of an answer. Raises Unusable."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        text = body[:200].lstrip().lower()
        if text.startswith((b"<!doctype", b"<html")):
            raise Unusable("it is a web page") from None
        raise Unusable("it is not JSON" if text else "it is empty") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def client(answer: Any, client_id: str) -> ClientFacts:
    """What the answer about the client `client_id` says of it. Raises Unusable."""
    told = _object(answer)
    _same_client(told, client_id)
    scopes = _scopes(told, "scopes")
    disabled = told.get("disabled", False)
    if not isinstance(disabled, bool):
        raise Unusable("its field disabled is of the wrong kind")
    return ClientFacts(
        client_id=client_id,
        expires=_time(told, "expires"),
        disabled=disabled,
        scopes=scopes,
        # Answers of before there were roles have none.
        expanded=_scopes(told, "expandedScopes") if "expandedScopes" in told else scopes,
    )


def held_scopes(answer: Any) -> tuple[str, ...]:
    """The scopes that `currentScopes` answered. Raises Unusable."""
    return _scopes(_object(answer), "scopes")


def new_token(answer: Any, client_id: str) -> str:
    """The accessToken that the reset of the client `client_id` answered. Raises Unusable."""
    told = _object(answer)
    _same_client(told, client_id)
    token = told.get("accessToken")
    if not isinstance(token, str) or not ACCESS_TOKEN.fullmatch(token):
        raise Unusable("its accessToken is none")
    return token


def nothing(answer: Any) -> None:
    """The answer to what has no result: none at all, or an object. Raises Unusable."""
    if answer is not None:
        _object(answer)


def code(body: object) -> str:
    """The code of an error's body, "" where it has none."""
    found = body.get("code") if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Unusable("it is no object")
    return answer


def _same_client(told: dict[str, Any], client_id: str) -> None:
    if told.get("clientId") != client_id:
        raise Unusable("it is about another client")


def _scopes(told: dict[str, Any], field: str) -> tuple[str, ...]:
    value = told.get(field)
    if not isinstance(value, list):
        raise Unusable(f"its field {field} is " + ("missing" if field not in told else "of the wrong kind"))
    for scope in value:
        if not isinstance(scope, str) or not SCOPE.fullmatch(scope):
            raise Unusable(f"its field {field} holds what is no scope")
    return tuple(dict.fromkeys(value))


def _time(told: dict[str, Any], field: str) -> int:
    value = told.get(field)
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            seconds = datetime.datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            seconds = -1.0
        if seconds >= 0:
            return int(seconds)
    raise Unusable(f"its field {field} is no time")
