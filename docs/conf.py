"""Configuration of the documentation's build."""

from __future__ import annotations

import neuro_client

project = "neuro_client"
author = "the neuro_client developers"
release = version = neuro_client.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "changes", "example"]
html_theme = "furo"
html_title = f"neuro_client {release}"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
# Docstrings are written for readers of the code, with `Raises:` as a plain paragraph.
nitpicky = False

# Names report the package as their module, so that is where autodoc finds them.
for name in neuro_client.__all__:
    getattr(neuro_client, name)
