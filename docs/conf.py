"""Configuration of the documentation; ``CONTRIBUTING.md`` says how to build it."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "kompot"
author = "The kompot developers"
project_copyright = "The kompot developers"
version = release = installed_version("kompot")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "docstrings",
    "internal_names",
    "public_names",
]

exclude_patterns = ["_build", "resources_measured.md"]

# Every reference must lead somewhere, offline too. Names of other packages are linked only if
# their inventories may be fetched; else they are plain text.
nitpicky = True
_OTHERS = ("anndata", "click", "collections", "concurrent", "dataclasses", "matplotlib", "numpy")
_OTHERS += ("os", "pandas", "pathlib", "scipy", "sklearn")
if os.environ.get("KOMPOT_DOCS_LINK_OTHERS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
    }
nitpick_ignore_regex = [("py:.*", rf"({'|'.join(_OTHERS)})\..*")]
nitpick_ignore = [("py:class", name) for name in ("AnnData", "ndarray", "np.ndarray", "optional")]

# The functions and classes. Docstrings are numpydoc; types come from the annotations.
default_role = "literal"
autosummary_generate = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Returned", "notes_style")]
python_display_short_literal_types = True
templates_path = ["_templates"]

# Pages with code are run when the site is built, and an error ends the build.
nb_execution_mode = os.environ.get("KOMPOT_DOCS_EXECUTE", "force")
nb_execution_raise_on_error = True
nb_execution_timeout = 1200
nb_merge_streams = True
nb_output_stderr = "warn"
nb_execution_in_temp = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
os.environ["COLUMNS"] = "80"  # of the help texts that pages show

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

html_theme = "sphinx_book_theme"
html_title = "kompot"
html_static_path = ["_static"]
html_css_files = ["kompot.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
