"""Pages to take along: HTML that needs nothing else, with figures, tables and a style for screen and paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import plotly.graph_objects as go

_STYLE: Final = """
body{font:15px/1.5 "Source Sans 3",system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;color:#1B2530;
 max-width:1080px;margin:0 auto;padding:24px 20px 60px;background:#fff}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}
p{margin:.4rem 0;overflow-wrap:anywhere}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem;width:100%}
th,td{padding:.22rem .7rem .22rem 0;border-bottom:1px solid #E4E9EE;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{font-weight:400;color:#5F6E7D;font-size:.82rem}
.scroll{overflow-x:auto}.lead{font-weight:600}.note{color:#5F6E7D;font-size:.9rem}
.cells{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:1.4rem}
.words :is(th,td){text-align:left}.words td,.cells td:last-child{white-space:normal}
.cells td{padding-right:.5rem}.cells td:last-child{text-align:left;padding-right:0}
pre{background:#F3F5F8;padding:.8rem 1rem;overflow-x:auto;font-size:.85rem}
.line{border-bottom:1px solid #94A2B1;height:1.9rem}.choices{list-style:none;padding:0;margin:.3rem 0}
.choices li::before{content:"\\2610\\00a0\\00a0"}.choices li.right::before{content:"\\2611\\00a0\\00a0"}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}.plot,table,.task{break-inside:avoid}}
"""


class Plots:
    """Figures as HTML; the first brings plotly's library along, some 5 MB."""

    def __init__(self) -> None:
        self._first = True

    def add(self, figure: go.Figure, told: str) -> str:
        """The next figure.

        Args:
            figure: the figure.
            told: what it shows, in words, for those who cannot see it.
        """
        html = figure.to_html(
            full_html=False, include_plotlyjs=self._first, config={"displaylogo": False, "responsive": True}
        )
        self._first = False
        return f'<div class="plot" role="figure" aria-label="{escape(told)}">{html}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts."""
    heads = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text.

    Args:
        text: what it says.
        kind: ``lead`` for the first sentence, ``note`` for small print.
    """
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def page(title: str, parts: Sequence[str]) -> str:
    """The whole document.

    Args:
        title: plain text.
        parts: HTML of what follows the heading.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{''.join(parts)}</body></html>"
    )
