"""Copy MathJax from the package sphinx-mathjax-offline into the site, so that formulas need no network.

That package is an extension itself, but it copies all its twelve bundles (24 MB). The pages load one,
`tex-chtml.js`; with it go the fonts and what MathJax may fetch later: TeX extensions and its accessibility tools.
"""

import importlib.util
from pathlib import Path

from sphinx.util.fileutil import copy_asset

PARTS = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y", "sre")


def copy_mathjax(app, error):
    if error or app.builder.format != "html":
        return
    source = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        whole = (source / part).is_dir()
        copy_asset(str(source / part), str(target / part if whole else (target / part).parent))


def setup(app):
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
