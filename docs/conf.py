"""The configuration of the documentation; `make docs` builds it, and a warning is an error."""

import sys
import tomllib
from pathlib import Path
from weakref import WeakSet

import click
import numpydoc.xref
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst
from sphinx_gallery.sorting import ExplicitOrder, FileNameSortKey

import otgan
from otgan.cli import root
from otgan.distances import METRICS, metric_of
from otgan.teach import page

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "otgan"
author = "The otgan developers"
version = release = otgan.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax beside the pages: they need no network
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "linked_names",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb"]
default_role = "py:obj"  # names in docstrings are links where there is such an object
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # sphinx-gallery keeps objects in its configuration

html_theme = "pydata_sphinx_theme"
html_title = f"otgan {release}"
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc", "edit-this-page"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}

# Pages can be edited where they lie, once pyproject.toml says where that is: [project.urls] Source, on GitHub.
described = Path(__file__).parent.parent / "pyproject.toml"
project_urls = tomllib.loads(described.read_text(encoding="utf-8"))["project"].get("urls", {})
if "Source" in project_urls:
    html_theme_options["use_edit_page_button"] = True
    html_context = {
        "edit_page_provider_name": "GitHub",
        "edit_page_url_template": f"{project_urls['Source']}/edit/main/docs/{{{{ file_name }}}}",
    }

html_static_path = ["_static"]
html_css_files = ["own.css"]
html_js_files = ["own.js"]
html_extra_path = ["_extra"]
html_sidebars = {"index": [], "install": [], "results": []}
html_show_copyright = False
html_show_sourcelink = False

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "amsmath"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autosummary_generate = True
autodoc_typehints = "none"  # the types stand in the docstrings, in words
numpydoc_show_class_members = False  # the class template lists them
numpydoc.xref.DEFAULT_LINKS.clear()  # they lead to pages of others, which are not fetched
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but for these
numpydoc_xref_aliases = {
    name: f"otgan.{name}"
    for name in (
        "Measure",
        "Report",
        "Transport",
        "Status",
        "TwoSampleTest",
        "Interval",
        "PairwiseTests",
        "Reference",
    )
}
linked_plain_names = sorted(
    {*otgan.__all__} - {*METRICS}
)  # what those alone are, their place in the text decides

seen: WeakSet[Figure] = WeakSet()


def scrape_figures(block, block_vars, gallery_conf):
    """Show the figures that otgan.plot returns: pyplot, which sphinx-gallery asks, does not know them."""
    figures = {value for value in block_vars["example_globals"].values() if isinstance(value, Figure)}
    paths = []
    for figure in figures - set(seen):
        seen.add(figure)
        if not hasattr(figure, "number"):  # pyplot numbers those that it makes
            paths.append(next(block_vars["image_path_iterator"]))
            figure.savefig(paths[-1], dpi=150)
    return figure_rst(paths, gallery_conf["src_dir"])


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": ExplicitOrder([f"../examples/{part}" for part in ("measure", "train", "teach")]),
    "doc_module": ("otgan",),
    "backreferences_dir": "gallery/backreferences",  # which examples use a name: shown on its page
    "reference_url": {"otgan": None},  # names in examples are links to these pages
    "within_subsection_order": FileNameSortKey,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "image_scrapers": ("matplotlib", scrape_figures),
}


def helps(command, context):
    """Yield the page of a command and those of the commands below it, as Markdown."""
    level = "#" * (2 if context.parent else 1)
    yield f"{level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            yield from helps(below, click.Context(below, info_name=name, parent=context))


def write_helps(app):
    """Write what the command says of itself where the table of contents expects it."""
    path = Path(app.srcdir) / "api" / "generated" / "command.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join(helps(root, click.Context(root, info_name="otgan", max_content_width=100))),
        encoding="utf-8",
    )


def metrics():
    """Return the page of the metrics, as the registry has them: what each is, and a link to its function."""
    rows = [("Function", "Symbol", "Unit", "Range", "Symmetric", "Its own options")]
    for metric in map(metric_of, METRICS):
        floor, ceiling = (f"{end:.4g}".replace("inf", "∞") for end in (metric.floor, metric.ceiling))
        rows.append(
            (
                f":func:`otgan.{metric.name}`",
                metric.symbol,
                metric.unit(2 if metric.uses_p else None) or "none",
                f"{floor} to {ceiling}",
                "yes" if metric.symmetric else "no",
                ", ".join(option.name for option in metric.options) or "none",
            )
        )
    table = "\n".join("   * - " + "\n     - ".join(row) for row in rows)
    title = "The distances between two sets of samples"
    return (
        f"{title}\n{'=' * len(title)}\n\n.. currentmodule:: otgan\n\n"
        "All of them are measured by :func:`otgan.compare` and by the command ``otgan measure``. "
        "Units are those at p = 2, where there is a power.\n\n"
        f".. list-table::\n   :header-rows: 1\n\n{table}\n\n"
        f".. autosummary::\n   :toctree: .\n   :nosignatures:\n\n   " + "\n   ".join(METRICS) + "\n"
    )


def write_page(app, config):
    """Write the page of the parallel lines, which is no page of these."""
    path = Path(app.srcdir) / "_extra" / "lines.html"
    path.parent.mkdir(exist_ok=True)
    page(path)


def write_metrics(app, config):
    """Write the page of the metrics before the pages are looked for."""
    path = Path(app.srcdir) / "api" / "generated" / "metrics.rst"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(metrics(), encoding="utf-8")


def hide_edit_link(app, pagename, templatename, context, doctree):
    """Show no link to edit a page that is written by the build."""
    if pagename.startswith(("gallery/", "api/generated/")):
        context["theme_use_edit_page_button"] = False


def setup(app):
    """Connect the above to the build."""
    app.connect("config-inited", write_metrics)
    app.connect("config-inited", write_page)
    app.connect("builder-inited", write_helps)
    app.connect("html-page-context", hide_edit_link)
