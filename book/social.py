"""What a preview of a link shows: title, first sentence and a picture, by the Open Graph protocol."""

import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from matplotlib.figure import Figure

from clrlib import Triangular2
from lab.show.style import STYLE

PICTURE = "preview.png"
LONGEST = 200  # letters of a description


def tags(title: str, doctree: nodes.document, site: str) -> str:
    """The tags of a page. Without the site's address the picture's is relative, which most previews do not follow."""
    first = next((" ".join(one.astext().split()) for one in doctree.findall(nodes.paragraph)), title)
    short = first if len(first) <= LONGEST else first[:LONGEST].rsplit(" ", 1)[0] + " …"
    said = {"og:type": "article", "og:site_name": "clrlib", "og:title": unescape(re.sub("<[^>]+>", "", title))}
    picture = f"{site.rstrip('/')}/_static/{PICTURE}" if site else f"_static/{PICTURE}"
    said |= {"og:description": short, "og:image": picture, "og:image:alt": "A learning rate that rises and falls."}
    lines = [f'<meta property="{name}" content="{escape(text)}" />' for name, text in said.items()]
    return "\n".join(["", f'<meta name="description" content="{escape(short)}" />', *lines, ""])


def draw(path: Path) -> None:
    """The picture, 1200 by 630 pixels: a policy, and the name of the whole."""
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    axes = figure.add_axes((0.08, 0.1, 0.84, 0.5))
    policy = Triangular2(base_lr=0.001, max_lr=0.006, step_size=250)
    axes.plot([policy(t) for t in range(2001)], color=STYLE[Triangular2]["color"], linewidth=5)
    axes.set_axis_off()
    figure.text(0.08, 0.8, "clrlib", fontsize=54, weight="bold")
    figure.text(0.08, 0.69, "Cyclical learning rates for PyTorch, and a reproduction of their paper", fontsize=22)
    figure.savefig(path, dpi=100)
