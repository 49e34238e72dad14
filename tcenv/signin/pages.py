"""Render the page that tells the result of a sign-in, and its HTTP responses.

A page has no script, no token, and no text of another site."""

# ruff: noqa: E501 - a style sheet's lines

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.deployment.scopes import describe_narrowing, find_missing
from tcenv.errors import CredentialsRejected, Hint, TcenvError, make_login_command
from tcenv.portholder.responses import respond
from tcenv.signin.client_names import get_client_page
from tcenv.text import format_count, format_duration

if TYPE_CHECKING:
    from tcenv.config.profile import Profile
    from tcenv.sessions.session import Session


@dataclass(frozen=True)
class Outcome:
    """The result of a sign-in, for its page. `lines` are sentences, the most important one first; `facts` are pairs of label and
    value; `missing` are the scopes that were asked for and not granted, and `partial` says of patterns how much was granted; `link`
    is the address for the last line; `in_terminal` says whether the terminal says more. In a line, backquotes mark a command."""

    good: bool
    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    link: str = ""
    in_terminal: bool = True


def describe_success(session: Session) -> Outcome:
    """Describe a sign-in that gave a session."""
    until = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(session.expires))
    facts = [
        ("Client", session.credentials.client_id),
        ("Deployment", _show_deployment(session.root_url)),
        ("Expires", f"{until} ({format_duration(session.expires - time.time())})"),
    ]
    missing: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    if session.scopes is not None:
        facts.append(("Scopes", f"{format_count(len(session.scopes), 'scope')} granted"))
        dropped, partly = find_missing(session.requested_scopes, session.scopes)
        missing = tuple(dropped)
        partial = tuple(describe_narrowing(scope, session.scopes) for scope in partly)
    lines = ("The deployment has confirmed it.",)
    return Outcome(True, "You are signed in", lines, tuple(facts), missing, partial)


def describe_failure(profile: Profile, error: Exception, *, goes_on: bool = False) -> Outcome:
    """Describe a sign-in that `error` has ended, or an answer that was invalid while the wait `goes_on`."""
    again = f"Go back to the terminal and run `{Hint(make_login_command(profile.argument))}` again."
    if isinstance(error, CredentialsRejected) and error.reason == "clock":
        line = "The clocks of this machine and of the deployment do not agree, so it refuses the new credentials."
        again = f"Set the clock, then g{again[1:]}"
    elif isinstance(error, CredentialsRejected):
        line = "The deployment refused these credentials."
        if goes_on:
            again = "The terminal still waits for an answer. Go back to the sign-in page and approve again."
    elif isinstance(error, TcenvError):
        line = error.message
    else:
        line = "Something went wrong inside tcenv; the terminal says what."
    facts = (("Deployment", _show_deployment(profile.root_url)),)
    return Outcome(False, "That did not work", (f"{line} {again}",), facts)


def describe_late_approval(root_url: str, argument: str, client_id: str, sentence: str, *, deleted: bool) -> Outcome:
    """Describe an approval that came after its sign-in had ended. The `sentence` says whether tcenv deleted the client."""
    lines = [
        "The command that asked for it has ended, so nothing has the token of this client.",
        sentence,
        f"To sign in, run `{Hint(make_login_command(argument))}`.",
    ]
    if not deleted:
        lines.append("To delete the client yourself, go to its page:")
    return Outcome(
        False,
        "This sign-in has ended",
        tuple(lines),
        (("Client", client_id), ("Deployment", _show_deployment(root_url))),
        link="" if deleted else get_client_page(root_url, client_id),
        in_terminal=False,
    )


def respond_with_page(outcome: Outcome) -> bytes:
    """Return the response with the final page."""
    return respond(200, render(outcome), "Cross-Origin-Opener-Policy: same-origin")


def respond_with_detour(onward: str) -> bytes:
    """Return a response that makes the browser forget the address of its redirect, and go on to the path `onward`.

    Chromium (156) keeps a redirect's source beside its target, in the tab and in its session file, until the tab moves on by
    itself at once. An opener policy on the way would make it keep both. Its history hides an address that ends in a 404."""
    return respond(404, render_detour(onward), f"Refresh: 0; url={onward}")


STYLE = """
:root{color-scheme:light dark;--ground:#f4f2ed;--card:#fffefb;--ink:#22252b;--soft:#62646f;--rule:#e7e3d9;--mark:#17795a;--tint:#17795a17;--glow:#17795a1f;--note:#8a5a00;--noted:#f5a52420;--shade:#3a33201f}
.bad{--mark:#b3402f;--tint:#b3402f14;--glow:#b3402f1a}
@media(prefers-color-scheme:dark){:root{--ground:#131518;--card:#1c1f24;--ink:#eceae4;--soft:#a0a5b0;--rule:#30343c;--mark:#5fd0a6;--tint:#5fd0a61f;--glow:#5fd0a61a;--note:#f0c36a;--noted:#f0c36a17;--shade:#0008}.bad{--mark:#f4917e;--tint:#f4917e1c;--glow:#f4917e14}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;padding:clamp(1rem,4vw,2.5rem);background:radial-gradient(60rem 32rem at 50% -6rem,var(--glow),transparent) no-repeat var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
main{width:100%;max-width:37rem;background:var(--card);border:1px solid var(--rule);border-radius:1.25rem;padding:clamp(1.4rem,6vw,2.75rem);box-shadow:0 1px 2px var(--shade),0 1.5rem 3.5rem -1.75rem var(--shade)}
svg{display:block;width:3.5rem;height:3.5rem;margin:0 0 1.25rem}
circle{fill:var(--tint)}
path{fill:none;stroke:var(--mark);stroke-width:3.75;stroke-linecap:round;stroke-linejoin:round}
h1{margin:0 0 .6rem;font-size:clamp(1.5rem,5vw,1.85rem);line-height:1.2;letter-spacing:-.02em;text-wrap:balance}
p{margin:.5rem 0 0;color:var(--soft);text-wrap:pretty;overflow-wrap:anywhere}
h1+p{color:var(--ink);font-size:1.0625rem}
a{color:var(--mark)}
.brief main{border-color:transparent;background:none;box-shadow:none;text-align:center}
b{color:var(--ink);font-weight:600}
dl{margin:1.75rem 0 0}
dl div{padding:.7rem 0;border-top:1px solid var(--rule)}
dt{font-size:.8125rem;line-height:1.9;color:var(--soft)}
dd{margin:0;text-wrap:pretty;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
i{display:inline-block;max-width:100%;font-style:inherit}
section{margin-top:1rem;padding:.9rem 1.1rem 1rem;border-radius:.75rem;background:var(--noted)}
h2{margin:0 0 .4rem;font-size:.875rem;font-weight:600;color:var(--note)}
ul{margin:0;padding:0;list-style:none}
li{margin-top:.2rem;font:.84rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
code{padding:.1em .35em;border-radius:.35rem;background:var(--tint);color:var(--ink);font:.875em/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--rule);font-size:.8125rem;color:var(--soft)}
@media(min-width:34rem){dl div{display:grid;grid-template-columns:8.5rem 1fr;gap:1rem;align-items:baseline}dt{line-height:inherit}}
"""

_TICK = "M16.5 26.8l6.6 6.6 13-14.2"
_CROSS = "M18.5 18.5l15 15M33.5 18.5l-15 15"


def render(outcome: Outcome) -> bytes:
    """Render the final page (UTF-8)."""
    lines = [_render_prose(line) for line in outcome.lines]
    if outcome.good:
        lines.insert(0, "You can close this tab and go back to the <b>terminal</b>.")
    if outcome.link:
        lines.append(f'<a href="{_escape(outcome.link)}">{_make_breakable(outcome.link)}</a>')
    paragraphs = "".join(f"<p>{line}</p>" for line in lines)
    facts = "".join(
        f"<div><dt>{_escape(key)}</dt><dd>{_make_breakable(value)}</dd></div>" for key, value in outcome.facts
    )
    boxes = _render_box("Asked for, but not granted", outcome.missing) + _render_box("Granted in part", outcome.partial)
    end = "Signed in by <b>tcenv</b>" if outcome.good else "Nothing was stored or set."
    if not outcome.good and outcome.in_terminal:
        end += " The <b>terminal</b> says more."
    return _render_document(
        outcome.title,
        f'<svg viewBox="0 0 52 52" aria-hidden="true"><circle cx="26" cy="26" r="26"/><path d="{_TICK if outcome.good else _CROSS}"/></svg>'
        f"<h1>{_escape(outcome.title)}</h1>{paragraphs}"
        f"{f'<dl>{facts}</dl>' if facts else ''}"
        f"{boxes}"
        f"<footer>{end}</footer>",
        "good" if outcome.good else "bad",
    )


def _render_box(title: str, scopes: tuple[str, ...]) -> str:
    items = "".join(f"<li>{_make_breakable(scope)}</li>" for scope in scopes)
    return f"<section><h2>{title}</h2><ul>{items}</ul></section>" if items else ""


def _render_prose(line: str) -> str:
    """Write a line as HTML, with its commands in code style."""
    parts = line.split("`")
    return "".join(
        f"<code>{_make_breakable(part)}</code>" if number % 2 else _make_breakable(part)
        for number, part in enumerate(parts)
    )


# The places after a separator where a clientId, a scope or an address may break; a time or a port stays whole.
_BREAKS = re.compile(r"(?<=[/|@])(?!/)|(?<=:)(?![/0-9])")


def _escape(text: str) -> str:
    """Escape text for HTML."""
    # Imported here, so that the browser does not wait for its table of entities.
    from html import escape

    return escape(text)


def _make_breakable(text: str) -> str:
    """Write `text` as HTML that breaks between words and after the separators of a clientId or a scope, and inside a
    name only if that alone is wider than the page."""
    return " ".join(
        "".join(f"<i>{_escape(part)}</i>" for part in _BREAKS.split(word) if part)
        if set(word) & set("-/|@:")
        else _escape(word)
        for word in text.split(" ")
    )


def render_detour(onward: str) -> bytes:
    """Render the page that the browser leaves at once for the path `onward`. The link is for browsers that do not go by themselves."""
    return _render_document("Signing in", f'<p><a href="{_escape(onward)}">See how it went</a></p>', "brief")


def _render_document(title: str, content: str, kind: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_escape(title)} · tcenv</title><style>{STYLE}</style></head>"
        f'<body class="{kind}"><main>{content}</main></body></html>\n'
    ).encode()


def _show_deployment(root_url: str) -> str:
    return root_url.partition("://")[2]
