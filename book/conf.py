"""The web site, made from what the repository holds anyway: README, notebooks, docs/, docstrings, figures/.

Sphinx's source folder is the root of the repository, so that every link between these files is one between pages.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book")]

import parts  # noqa: E402
import social  # noqa: E402

from lab import paths  # noqa: E402

project = "clrlib"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "findings/README.md", "notebooks/*.ipynb", "results/**.md", "book/**"]
exclude_patterns = ["book/*.py", "book/static", "**/__pycache__", ".*", "build", "data", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"
nb_render_markdown_format = "myst"  # of outputs: tables, and links that are checked
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]  # its picture, then
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # would come from elsewhere
myst_heading_anchors = 3

smartquotes = False
default_role = "py:obj"  # single backticks in docstrings: a link where there is something to link to
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "clrlib"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["book.css", "parts.css"]
html_js_files = [("copy.js", {"defer": "defer", "priority": 400})]  # before those of a page
html_baseurl = os.environ.get("BOOK_URL", "")  # where the site will lie; previews of links need it
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_show_copyright = False
html_theme_options: dict[str, Any] = {"show_toc_level": 2, "navbar_persistent": [], "footer_content_items": []}
if repository := os.environ.get("REPOSITORY_URL"):  # its address; no page spells it
    html_theme_options |= {"repository_url": repository, "use_repository_button": True, "use_edit_page_button": True}

TITLE = "Cyclical learning rates for PyTorch"  # of the first page, in a browser's tab
SECTIONS = re.compile(r"^## (.+)\n\n((?:\|.*\n)+)", re.MULTILINE)  # of docs/README.md: a title and a table of pages
RESULTS = ["book/replay", "book/claims", "book/gallery", "results/README", "REPRODUCTION", "results/bench/README"]


def contents() -> str:
    """The menu: the notebooks in their order, then the pages in the order of the tables in docs/README.md."""
    chapters = [("The notebooks", [f"notebooks/{path.stem}" for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))])]
    for title, table in SECTIONS.findall((ROOT / "docs" / "README.md").read_text()):
        chapters.append((title, [f"docs/{name}" for name in re.findall(r"^\| \[[^]]+\]\((\w+)\.md\)", table, re.M)]))
    reference = [f"book/api/{path.stem}" for path in sorted((ROOT / "book" / "api").glob("*.rst"))]
    project = ["docs/README", "findings/README", "CONTRIBUTING", "CHANGELOG"]
    chapters += [("Reference", reference), ("Results", RESULTS), ("The project", project)]
    return "".join(toctree(caption, pages) for caption, pages in chapters)


def toctree(caption: str, pages: list[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", *pages, "```"])


def add(app: Sphinx, page: str, source: list[str]) -> None:
    """Add what the site has and the file has not: the menu, and the parts that are made from the records."""
    if Path(app.env.doc2path(page)).suffix == ".md":
        source[0] = parts.with_parts(source[0]) + (contents() if page == root_doc else "")


def dress(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Give a page its JavaScript, a title of its own and what previews of links show."""
    for file in parts.scripts(context.get("body", "")):
        app.add_js_file(file, loading_method="defer")
    if page == root_doc:
        context["title"] = TITLE
    if doctree is not None:
        context["metatags"] = context.get("metatags", "") + social.tags(context["title"], doctree, html_baseurl)


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Give the pictures of a notebook the alt texts that stand with them in its outputs."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix == ".ipynb":
        outputs = [output for cell in json.loads(path.read_text())["cells"] for output in cell.get("outputs", [])]
        pictures = [output["metadata"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        for image, picture in zip(doctree.findall(nodes.image), pictures, strict=True):
            image["alt"] = picture["alt"]


def as_rst(app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    """Our docstrings are plain text and doctests: a parameter begins a paragraph, asterisks and the like are meant."""
    parts = re.split(r"\n\n+|\n(?=[a-z_]+(?:, [a-z_]+)*: |Raises )", "\n".join(lines))
    lines[:] = "\n\n".join(part if part.startswith(">>>") else paragraph(part) for part in parts).splitlines()


def paragraph(text: str) -> str:
    return re.sub(r"(`[^`]*`)|([*|_\\])", lambda found: found[1] or "\\" + found[2], " ".join(text.split()))


def unlink_folders(app: Sphinx, doctree: nodes.document) -> None:
    """A link to a folder becomes plain text: the site has no page for it."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for link in [*doctree.findall(addnodes.pending_xref)]:
        if link["reftype"] == "myst" and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def finish(app: Sphinx, error: Exception | None) -> None:
    """The README is what a visitor of the folder sees; the picture of a link is beside the other files."""
    if error is None:
        shutil.copy(app.outdir / "README.html", app.outdir / "index.html")
        social.draw(app.outdir / "_static" / social.PICTURE)


def setup(app: Sphinx) -> None:
    app.connect("source-read", add)
    app.connect("html-page-context", dress)
    app.connect("doctree-read", describe)
    app.connect("doctree-read", unlink_folders)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("build-finished", finish)
