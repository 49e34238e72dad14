"""The page that the browser ends on: the truth about how signing in went, with nothing from outside, no script and no token."""

# ruff: noqa: E501 - a style sheet's lines

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Outcome:
    """How signing in went. `lines` are sentences, the most important first; `facts` are label and value, in the order in
    which they are shown; `missing` the scopes that were asked for and not granted; `link` an address that the last line is
    about; `in_terminal` whether the terminal says more. Nothing here may be secret."""

    good: bool
    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    link: str = ""
    in_terminal: bool = True


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
footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--rule);font-size:.8125rem;color:var(--soft)}
@media(min-width:34rem){dl div{display:grid;grid-template-columns:8.5rem 1fr;gap:1rem;align-items:baseline}dt{line-height:inherit}}
"""

# The hash is that of STYLE; a test keeps them together, since working it out here would cost every sign-in.
STYLE_HASH = "sha256-D12bhq8R1JZsbUlB8YWFTxYPY+s8SStY2ybnZufOoyY="
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TICK = "M16.5 26.8l6.6 6.6 13-14.2"
_CROSS = "M18.5 18.5l15 15M33.5 18.5l-15 15"


def render(outcome: Outcome) -> bytes:
    """The page as UTF-8 HTML."""
    lines = [_breakable(line) for line in outcome.lines]
    if outcome.good:
        lines.insert(0, "You can close this tab and go back to the <b>terminal</b>.")
    if outcome.link:
        lines.append(f'<a href="{escape(outcome.link)}">{_breakable(outcome.link)}</a>')
    paragraphs = "".join(f"<p>{line}</p>" for line in lines)
    facts = "".join(f"<div><dt>{escape(key)}</dt><dd>{_breakable(value)}</dd></div>" for key, value in outcome.facts)
    scopes = "".join(f"<li>{_breakable(scope)}</li>" for scope in outcome.missing)
    end = "Signed in by <b>tcenv</b>" if outcome.good else "Nothing was stored or set."
    if not outcome.good and outcome.in_terminal:
        end += " The <b>terminal</b> says more."
    return _document(
        outcome.title,
        f'<svg viewBox="0 0 52 52" aria-hidden="true"><circle cx="26" cy="26" r="26"/><path d="{_TICK if outcome.good else _CROSS}"/></svg>'
        f"<h1>{escape(outcome.title)}</h1>{paragraphs}"
        f"{f'<dl>{facts}</dl>' if facts else ''}"
        f"{f'<section><h2>Asked for, but not granted</h2><ul>{scopes}</ul></section>' if scopes else ''}"
        f"<footer>{end}</footer>",
        "good" if outcome.good else "bad",
    )


# Behind which signs a clientId, a scope or an address may be broken: those that part it; not within a time or a port.
_JOINTS = re.compile(r"(?<=[/|@])(?!/)|(?<=:)(?![/0-9])")


def _breakable(text: str) -> str:
    """`text` as HTML that is broken between words, and behind the signs that part a clientId or a scope: not inside a name, at
    a hyphen of it neither, unless a name alone is wider than the page."""
    return " ".join(
        "".join(f"<i>{escape(part)}</i>" for part in _JOINTS.split(word) if part)
        if set(word) & set("-/|@:")
        else escape(word)
        for word in text.split(" ")
    )


def render_detour(onward: str) -> bytes:
    """The page that is left at once for the path `onward`; its link is for browsers that were told not to go by themselves."""
    return _document("Signing in", f'<p><a href="{escape(onward)}">See how it went</a></p>', "brief")


def _document(title: str, content: str, kind: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · tcenv</title><style>{STYLE}</style></head>"
        f'<body class="{kind}"><main>{content}</main></body></html>\n'
    ).encode()
