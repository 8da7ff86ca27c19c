"""Keep both tiers of a live figure in the page: the picture with its text alternative, and the figure that runs.

A cell that shows one has both in one output, and myst-nb would keep only the figure. Here they stand in one
place: without JavaScript, and in print, the picture is seen; where `_assets/live.js` could start the figure,
that is. A figure without a picture is a warning, which the strict build turns into an error.
"""

from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging


class BothTiers(SphinxPostTransform):
    default_priority = 3  # before myst-nb chooses one, at 4

    def run(self, **kwargs):
        for bundle in list(self.document.findall(nodes.container)):
            parts = {child.get("mime_type"): child for child in bundle if isinstance(child, nodes.Element)}
            if bundle.get("nb_element") != "mime_bundle" or WIDGET_VIEW_MIMETYPE not in parts:
                continue
            if "image/png" not in parts:
                message = "live figure without a picture for print; show it with viz.show(fig, alt=..., live=...)"
                logging.getLogger(__name__).warning(message, location=bundle)
                continue
            view = parts[WIDGET_VIEW_MIMETYPE].children if self.app.builder.format == "html" else []
            bundle.replace_self(nodes.container("", *parts["image/png"].children, *view, classes=["live-figure"]))


def setup(app):
    app.add_post_transform(BothTiers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
