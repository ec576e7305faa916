"""Configuration of the documentation's build."""

from __future__ import annotations

import builtins
from typing import Any

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

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


class Builtins(SphinxPostTransform):
    """Leave ``bytes`` and ``type`` in signatures alone, which are also names of fields."""

    default_priority = 5  # before references are resolved

    def run(self, **_: Any) -> None:
        """Take out the references to what is Python's own."""
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("refdomain") == "py" and hasattr(builtins, node["reftarget"]):
                node.replace_self(node.children)


def setup(app: Sphinx) -> None:
    """Add what the documentation needs."""
    app.add_post_transform(Builtins)
