"""An HTML page from Markdown, in one file that needs neither network nor this project."""

import html
from base64 import b64encode

import mistune

from lab.show.tables import plain

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 80rem; margin: 0 auto; padding: 1rem; }}
h2 {{ margin-top: 2.5rem; }}
code, pre {{ font-size: .9em; overflow-wrap: anywhere; white-space: pre-wrap; }}
table {{ border-collapse: collapse; font-size: .9rem; display: block; overflow-x: auto; }}
th, td {{ border-bottom: 1px solid gray; padding: .35rem .8rem .35rem .5rem; text-align: left; vertical-align: top; }}
img {{ max-width: 100%; height: auto; background: white; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
"""
TYPES = {b"<": "svg+xml", b"\x89": "png"}  # by the first byte


def page(title: str, text: str) -> str:
    """The page. All HTML in the text is escaped; only images that the text itself holds are loaded."""
    renderer = mistune.HTMLRenderer(escape=True, allow_harmful_protocols=["data:image/svg+xml;"])
    body = mistune.create_markdown(renderer=renderer, plugins=["table"])(text)
    return f"{HEAD.format(title=html.escape(title))}{body}</main>\n</body>\n</html>\n"


def image(content: bytes, alt: str) -> str:
    """A picture, PNG or SVG, inside the text."""
    return f"![{plain(' '.join(alt.split()))}](data:image/{TYPES[content[:1]]};base64,{b64encode(content).decode()})"
