"""Carry the text alternative of a figure from a cell's output into the page.

`aecore.viz.show` puts it into the output's metadata; myst-nb 1.4 takes only width and height from there.
A picture without one is a warning, which the strict build turns into an error.
"""

from myst_nb.core.render import NbElementRenderer

render_image = NbElementRenderer.render_image


def render_image_with_alt(self, data):
    images = render_image(self, data)
    alt = data.output_metadata.get(data.mime_type, {}).get("alt", "")
    if not alt:
        message = "picture without a text alternative; show it with viz.show(fig, alt=...)"
        self.logger.warning(message, subtype="alt", line=data.line)
    for image in images:
        image["alt"] = alt
    return images


def setup(app):
    NbElementRenderer.render_image = render_image_with_alt
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
