"""The changes that the tests noticed on 24 November 2026, as the current code has them. `mutate.py RESULTS SECONDS known`
makes them again."""

from __future__ import annotations

CALLBACK = "tcenv/portholder/callback_request.py"
LISTENER = "tcenv/signin/listener.py"
FILE = "tcenv/sessions/session_file.py"
DIRECTORY = "tcenv/sessions/directory_store.py"
INDEX = "tcenv/config/index.py"
LIVE = "tcenv/config/live_session.py"
HOT = "tcenv/hotpath.py"
FLOW = "tcenv/signin/flow.py"
RESET = "tcenv/signin/reset.py"
APPROVAL = "tcenv/signin/approval.py"
NAMES = "tcenv/signin/client_names.py"
STORES = "tcenv/sessions/stores.py"

# The module, a text that it has once, and the changed text.
KNOWN: tuple[tuple[str, str, str], ...] = (
    (CALLBACK, "raise Refused(421)", "pass"),
    (CALLBACK, "len(escape) < 2", "len(escape) < 3"),
    (CALLBACK, "_LONGEST_LINE = 8192", "_LONGEST_LINE = 8193"),
    (CALLBACK, 'return name.lower(), value.strip(b" \\t")', "return None"),
    (CALLBACK, 'words[0] != b"GET"', 'words[0] == b"GET"'),
    (CALLBACK, 'b"Chrome/" in value', 'b"Chrome/" not in value'),
    (CALLBACK, "raise Refused(403)", "pass"),
    (CALLBACK, "raise Refused(421)", "raise Refused(422)"),
    (CALLBACK, "chromium = encodes = False", "chromium = encodes = True"),
    (LISTENER, "return found\n            return None", "return None\n            return None"),
    (LISTENER, "server.setblocking(False)", "pass"),
    (LISTENER, "connection.socket)\n            self._drop(connection)", "connection.socket)\n            pass"),
    (LISTENER, "self._selector.close()", "pass"),
    (LISTENER, "self.ignore(pasted[0])", "self.ignore(pasted[1])"),
    (LISTENER, "server.getsockname()[0]", "server.getsockname()[1]"),
    (LISTENER, "raise Refused(404)", "raise Refused(405)"),
    (FILE, 'raise Damaged("its end is missing")', "pass"),
    (FILE, 'raise Damaged(f"{key} is not a time")', "pass"),
    (FILE, "lines[len(KEYS) : -2]", "lines[len(KEYS) : -3]"),
    (FILE, "lines.append(END)", "pass"),
    (FILE, "for key in KEYS[:-1]]", "for key in KEYS[:-2]]"),
    (FILE, "held, asked, expansions = parts.values()", "asked, held, expansions = parts.values()"),
    (FILE, '"unknown" if scopes is None else str(len(scopes))', 'str(len(scopes)) if scopes is None else "unknown"'),
    (FILE, "scopes or ()", "scopes and ()"),
    (FILE, 'name[0] != "."', 'name[1] != "."'),
    (FILE, 'name.endswith(suffix) and name[0] != "."', 'name.endswith(suffix) or name[0] != "."'),
    (DIRECTORY, "write_privately(self.get_path(profile), data, durable=self._durable)", "pass"),
    (DIRECTORY, "(profile)):\n                return False", "(profile)):\n                return True"),
    (DIRECTORY, 'return parts and parts[0]["GENERATION"]', "return None"),
    (DIRECTORY, "        return True\n", "        return None\n"),
    (DIRECTORY, "return parts and Session.from_parts(*parts)", "return None"),
    (DIRECTORY, "return []", "return None"),
    (INDEX, 'default[:8] != "DEFAULT="', 'default[:9] != "DEFAULT="'),
    (INDEX, "TYPE_CHECKING = False", "TYPE_CHECKING = True"),
    (INDEX, 'return ("\\n".join(lines) + _MARK + text).encode()', "return None"),
    (INDEX, 'line[:8] == "PURPOSE "', 'line[:9] == "PURPOSE "'),
    (INDEX, "store[6:]", "store[7:]"),
    (INDEX, '"TCENV_CONFIG" in os.environ', '"TCENV_CONFIG" not in os.environ'),
    (LIVE, "(known and known.find_profile(here)) or", "(known or known.find_profile(here)) or"),
    (LIVE, "    if profile is None:", "    if profile is not None:"),
    (LIVE, "TYPE_CHECKING = False", "TYPE_CHECKING = True"),
    (LIVE, "return found, session_file.get_path(directory, profile)", "return None"),
    (LIVE, "_DECIDING)):\n        raise HandOver", "_DECIDING)):\n        pass"),
    (HOT, "make_loading(found[0], os", "make_loading(found[1], os"),
    (HOT, "or not value or", "or value or"),
    (HOT, "term or purpose[1]", "term and purpose[1]"),
    (FLOW, "session is None or not", "session is not None or not"),
    (FLOW, "return True", "return None"),
    (FLOW, "covers(session.asked, scope) or covers(held, scope)", "covers(session.asked, scope) and covers(held, scope)"),
    (RESET, "scope not in session.requested_scopes", "scope in session.requested_scopes"),
    (RESET, "if not all(covers(held, scope)", "if all(covers(held, scope)"),
    (RESET, 'progress.note(f"The session could not be stored as it is now: {error.message}")', "pass"),
    (RESET, "return tuple(scope for scope in session.asked if scope not in session.requested_scopes)", "return None"),
    (RESET, "profile.argument)\n        raise\n    return new", "profile.argument)\n        raise\n    return None"),
    (APPROVAL, "if former is None:\n        request.open()", "if former is None:\n        pass"),
    (APPROVAL, 'rejection.reason == "clock"', 'rejection.reason != "clock"'),
    (NAMES, "prefix) and client.is_orphan", "prefix) or client.is_orphan"),
    (NAMES, "if replacing is not None:", "if replacing is None:"),
    (NAMES, "return True  # the deployment does not say", "return False  # the deployment does not say"),
    (STORES, "make_private_directory(directory)", "pass"),
    (STORES, "        return None\n    return session\n", "        return None\n    return None\n"),
)  # fmt: skip
