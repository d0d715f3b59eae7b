"""The web site, made from what the repository holds anyway: README, notebooks, docs/, docstrings, figures/.

Sphinx's source folder is the root of the repository, so that every link between these files is one between pages.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lab import paths  # noqa: E402
from lab.show import figures  # noqa: E402

project = "clrlib"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "notebooks/*.ipynb", "results/**.md", "book/**"]
exclude_patterns = ["book/conf.py", "book/static", ".*", "build", "data", "**/.ipynb_checkpoints"]

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
html_css_files = ["book.css"]
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_show_copyright = False
html_theme_options = {"show_toc_level": 2, "navbar_persistent": [], "footer_content_items": []}

CONTENTS = """
```{toctree}
:hidden:
:caption: The notebooks
:glob:
notebooks/*
```
```{toctree}
:hidden:
:caption: How to
:glob:
docs/README
docs/*
```
```{toctree}
:hidden:
:caption: Reference
:glob:
book/api/*
```
```{toctree}
:hidden:
:caption: Results
All claims <results/README>
book/figures
REPRODUCTION
results/bench/README
CONTRIBUTING
CHANGELOG
```
"""


def gallery() -> str:
    """Every figure with its alt text, below the question of the notebook that it comes from."""
    parts = []
    for notebook in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        own = [name for name in figures.FIGURES if name[:2] == notebook.name[:2]]
        if own:
            title = "".join(json.loads(notebook.read_text())["cells"][0]["source"]).splitlines()[0]
            parts += [f"#{title}", *map(figure, own), f"[To the notebook](../notebooks/{notebook.name})"]
    return "\n\n".join(parts)


def figure(name: str) -> str:
    alt = (paths.FIGURES / f"{name}.txt").read_text().strip()
    return f"""\
```{{figure}} ../figures/{name}.png
:alt: {json.dumps(alt, ensure_ascii=False)}

{" ".join(str(figures.FIGURES[name].__doc__).split())}
```"""


ADDED = {"README": lambda: CONTENTS, "book/figures": gallery}


def add(app: Sphinx, page: str, source: list[str]) -> None:
    """What the site has and the file has not: the order of the pages, the gallery."""
    if page in ADDED:
        source[0] += ADDED[page]()


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


def first_page(app: Sphinx, error: Exception | None) -> None:
    """The README is what a visitor of the folder sees."""
    if error is None:
        shutil.copy(app.outdir / "README.html", app.outdir / "index.html")


def setup(app: Sphinx) -> None:
    app.connect("source-read", add)
    app.connect("doctree-read", describe)
    app.connect("doctree-read", unlink_folders)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("build-finished", first_page)
