"""The page that the browser ends on: the truth about how signing in went, with nothing from outside, no script and no token."""

# ruff: noqa: E501 - a style sheet's lines

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Outcome:
    """How signing in went. `facts` are label and value, in the order in which they are shown; nothing here may be secret."""

    good: bool
    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


STYLE = """
:root{color-scheme:light dark;--ground:#f3f1ec;--card:#fffefb;--ink:#22252b;--soft:#667;--rule:#e4e0d6;--mark:#1d7f5f;--shade:#0001}
.bad{--mark:#b3402f}
@media(prefers-color-scheme:dark){:root{--ground:#15171b;--card:#1e2126;--ink:#eceae4;--soft:#9aa0ab;--rule:#31353d;--mark:#5cc8a0;--shade:#0006}.bad{--mark:#f08a76}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{width:100%;max-width:34rem;background:var(--card);border:1px solid var(--rule);border-radius:1rem;padding:clamp(1.5rem,6vw,2.75rem);box-shadow:0 1.5rem 3rem -1.5rem var(--shade)}
svg{display:block;width:3.25rem;height:3.25rem;margin-bottom:1.1rem}
circle{fill:none;stroke:var(--mark);stroke-width:2.5;opacity:.35}
path{fill:none;stroke:var(--mark);stroke-width:3.5;stroke-linecap:round;stroke-linejoin:round}
h1{margin:0 0 .5rem;font-size:1.6rem;line-height:1.2;letter-spacing:-.015em;text-wrap:balance}
p{margin:.4rem 0;color:var(--soft);text-wrap:pretty}
dl{margin:1.5rem 0 0;border-top:1px solid var(--rule)}
div{padding:.7rem 0;border-bottom:1px solid var(--rule)}
dt{font-size:.78rem;letter-spacing:.04em;color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
footer{margin-top:1.5rem;font-size:.85rem;color:var(--soft)}
footer b{color:var(--ink);font-weight:600}
"""

# The hash is that of STYLE; a test keeps them together, since working it out here would cost every sign-in.
STYLE_HASH = "sha256-bgfZcUcPlMqeHx+t+39xmXWbNmW7qVr4h/GL9/Z643g="
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TICK = "M16 26.5l7 7 14-15"
_CROSS = "M18 18l16 16M34 18L18 34"


def render(outcome: Outcome) -> bytes:
    """The page as UTF-8 HTML."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in outcome.lines)
    facts = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in outcome.facts)
    drawing = _TICK if outcome.good else _CROSS
    end = (
        "You can close this tab and go back to the <b>terminal</b>."
        if outcome.good
        else "Nothing was stored or set. The <b>terminal</b> says more."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(outcome.title)} · tcenv</title><style>{STYLE}</style></head>"
        f"<body{'' if outcome.good else ' class=bad'}><main>"
        f'<svg viewBox="0 0 52 52" aria-hidden="true"><circle cx="26" cy="26" r="24"/><path d="{drawing}"/></svg>'
        f"<h1>{escape(outcome.title)}</h1>{lines}"
        f"{f'<dl>{facts}</dl>' if facts else ''}<footer>{end}</footer></main></body></html>\n"
    ).encode()
