"""Keep both tiers of a live figure in the page: the picture with its text alternative, and the figure that runs.

A cell that shows one has both in one output, and myst-nb would keep only the figure. Here they stand in one
place: without JavaScript, and in print, the picture is seen; where `_assets/live.js` could start the figure,
that is. A question stands for itself as text. A figure without either is a warning, which the strict build turns
into an error. Controls that need a kernel (`widgets.controls`) become a sentence that says where they work.
"""

from urllib.parse import urlsplit

from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE, NbElementRenderer
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

render_view = NbElementRenderer.render_widget_view


def render_view_or_sentence(self, data):
    if not data.output_metadata.get(WIDGET_VIEW_MIMETYPE, {}).get("needs_kernel"):
        return render_view(self, data)
    note = nodes.paragraph(classes=["needs-kernel"])
    note += nodes.Text("This is the result for the first settings. To try others, run this page ")
    environment = self.renderer.sphinx_env
    options = environment.config.html_theme_options
    colab, address = options.get("launch_buttons", {}).get("colab_url"), options.get("repository_url")
    if colab and address:
        place = f"{options.get('repository_branch', 'main')}/{environment.doc2path(environment.docname, base=False)}"
        url = f"{colab}/github{urlsplit(address).path}/blob/{place}"
        note += [nodes.Text("in "), nodes.reference("", "Colab", refuri=url), nodes.Text(" or ")]
    note += [nodes.Text("in JupyterLab: "), nodes.literal("", "make lab"), nodes.Text(".")]
    return [note]


class BothTiers(SphinxPostTransform):
    default_priority = 3  # before myst-nb chooses one, at 4

    def run(self, **kwargs):
        for bundle in list(self.document.findall(nodes.container)):
            parts = {child.get("mime_type"): child for child in bundle if isinstance(child, nodes.Element)}
            view = parts.get(WIDGET_VIEW_MIMETYPE)
            if view is None or any("needs-kernel" in child.get("classes", ()) for child in view):
                continue
            still = parts.get("image/png", parts.get("text/html"))  # a question has no picture, but a text
            if still is None:
                message = "live figure without a picture for print; show it with viz.show(fig, alt=..., live=...)"
                logging.getLogger(__name__).warning(message, location=bundle)
                continue
            runs = view.children if self.app.builder.format == "html" else []
            bundle.replace_self(nodes.container("", *still.children, *runs, classes=["live-figure"]))


def setup(app):
    NbElementRenderer.render_widget_view = render_view_or_sentence
    app.add_post_transform(BothTiers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
