"""The configuration of the documentation; `make docs` builds it, and a warning is an error."""

from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst
from sphinx_gallery.sorting import FileNameSortKey

import otgan

project = "otgan"
author = "The otgan developers"
version = release = otgan.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # sphinx-gallery keeps objects in its configuration

html_theme = "furo"
html_title = f"otgan {release}"
html_show_copyright = False
html_show_sourcelink = False

myst_enable_extensions = ["dollarmath", "fieldlist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the types stand in the docstrings, in words
numpydoc_show_class_members = False  # the class template lists them

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
    "within_subsection_order": FileNameSortKey,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "image_scrapers": ("matplotlib", scrape_figures),
}
