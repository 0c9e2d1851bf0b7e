"""The site of these pages: `make docs` builds it with Sphinx, from the top of the repository.

The pages read as well without it. A link or an anchor that leads nowhere fails the build.
"""

import timelift

project = "timelift"
author = "The timelift authors"
release = timelift.__version__

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = ["docs/sample/**", "results/**"]  # the report beside these pages
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxarg.ext"]
default_role = "code"  # in docstrings
myst_heading_anchors = 3  # as GitHub makes them
smartquotes = False  # which would turn `--option` into a dash
autodoc_typehints_format = "short"
# Types whose pages are elsewhere: no network is asked for their inventories.
nitpick_ignore_regex = [("py:class", r"(pathlib|pandas|timelift)\..*")]

html_theme = "furo"
pygments_dark_style = "monokai"  # which underlines no import
html_title = "timelift"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
templates_path = ["templates"]
html_static_path = ["static"]
html_additional_pages = {"index": "redirect.html"}
html_extra_path = ["sample"]  # a run's report, which `make docs` measures
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sample.html",
        "sidebar/scroll-end.html",
    ]
}
