"""Take from the finished pages what no reader needs: the theme is made for any site, this is one.

* Styles: one sheet in place of eleven, without the rules that no page can match, and without their 2,000 icons:
  those in use are a font of some kilobytes inside the sheet.
* Scripts: none holds up the first drawing; the search index is loaded by the search page alone.
* Pictures: with their sizes, so that nothing moves when they arrive; from the second on when they come near.
"""

import base64
import hashlib
import io
import os
import re
from pathlib import Path

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

SHEET = re.compile(r'[ \t]*<link\b[^>]*\brel="stylesheet"[^>]*>\n?')
HREF = re.compile(r'href="([^"?]+)')
SCRIPT = re.compile(r'<script\b([^>]*\bsrc="([^"?]+)[^"]*"[^>]*)></script>')
PICTURE = re.compile(r'<img\b[^>]*\bsrc="([^"]*_images/[^"]+)"[^>]*>')
URL = re.compile(r"""url\(\s*["']?(?!data:|[a-z]+:|#)([^"')]+)["']?\s*\)""")
ICONS = re.compile(r"@font-face\s*\{[^}]*Font Awesome[^}]*\}")
ICON = re.compile("\\\\([ef][0-9a-f]{3})\\b|([\ue000-\uf8ff])")
WORD = re.compile(r"[\w-]+")
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
AT_ONCE = ("documentation_options.js",)  # a script inside the page reads it
NOT_READ = ("mathjax", "fontawesome")  # scripts without class names of the theme
COMPOSED = {"bs-tooltip-auto"}  # class names that a script puts together
NESTING = ("media", "supports", "layer", "container")


def matches(selector, words):
    """Tell whether all classes and ids of a selector occur in `words`; what stands in brackets is taken to match."""
    dot = False
    for token in selector:
        if (token.type == "hash" or (dot and token.type == "ident")) and token.value not in words:
            return False
        dot = token.type == "literal" and token.value == "."
    return True


def split(prelude):
    """Split the list of selectors before a rule at its commas."""
    selectors = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    return selectors


def rules(path, words):
    """Yield the rules of a style sheet that can match, as text; `words` None means all. Follows its imports."""
    yield from kept(tinycss2.parse_stylesheet(path.read_text("utf8"), True, True), path, words)


def kept(sheet, path, words):
    for rule in sheet:
        if rule.type == "error":
            raise ValueError(f"{path.name}, line {rule.source_line}: {rule.message}")
        if rule.type == "qualified-rule":
            selectors = [s for s in split(rule.prelude) if words is None or matches(s, words)]
            if selectors:
                yield ",".join(tinycss2.serialize(s).strip() for s in selectors) + f"{{{content(rule)}}}"
        elif rule.at_keyword == "import":
            target = next(token.value for token in rule.prelude if token.type in ("string", "url"))
            yield from rules(path.parent / target, words)
        elif rule.at_keyword in NESTING and rule.content:
            inner = "".join(kept(tinycss2.parse_rule_list(rule.content, True, True), path, words))
            if inner:
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        elif rule.at_keyword != "charset":
            yield rule.serialize()


def content(rule):
    declarations = tinycss2.parse_blocks_contents(rule.content, True, True)
    return ";".join(d.serialize().strip() for d in declarations)


def with_icons(css, folder):
    """Put in place of each icon font its part that `css` uses; drop the font of which it uses nothing."""
    points = {int(escape, 16) if escape else ord(plain) for escape, plain in ICON.findall(css)}

    def replace(face):
        path = folder / re.search(r"url\(([^)]+\.ttf)\)", face[0])[1]
        with TTFont(path) as font:
            wanted = points & set(font.getBestCmap())
            if not wanted:
                return ""
            options = subset.Options(flavor="woff", hinting=False, layout_features=[], glyph_names=False)
            subsetter = subset.Subsetter(options)
            subsetter.populate(unicodes=wanted)
            subsetter.subset(font)
            small = io.BytesIO()
            subset.save_font(font, small, options)
        data = base64.b64encode(small.getvalue()).decode()
        return re.sub(r"src:[^;}]*", lambda _: f'src:url(data:font/woff;base64,{data}) format("woff")', face[0])

    return ICONS.sub(replace, css)


def bundle(sheets, static, words, own):
    """Write one style sheet for all of `sheets`. Returns: its path, whose name changes with its content."""
    parts = []
    for path in sheets:
        css = "\n".join(rules(path, None if path.name in own else words))
        here = os.path.relpath(path.parent, static)
        parts.append(URL.sub(lambda m, here=here: f"url({os.path.normpath(f'{here}/{m[1]}')})", css))
    css = with_icons("\n".join(parts), static)
    target = static / f"book-{hashlib.sha256(css.encode()).hexdigest()[:10]}.css"
    target.write_text('@charset "UTF-8";\n' + css, "utf8")
    return target


def script(tag, page):
    """Let a script wait for the page; on pages without a search, leave its scripts out."""
    attributes, name = tag[1], Path(tag[2]).name
    if name in SEARCH and page.name != "search.html":
        return ""
    wait = "" if name in AT_ONCE or re.search(r"\b(defer|async)\b", attributes) else " defer"
    return f"<script{wait}{attributes}></script>"


def with_pictures(html, page):
    """Give every picture its size; let those after the first wait until they come near."""
    number = 0

    def replace(tag):
        nonlocal number
        number += 1
        path = page.parent / tag[1]
        size = ""
        if path.suffix != ".svg" and not re.search(r"\sheight=", tag[0]):
            with Image.open(path) as image:
                size = ' width="{}" height="{}"'.format(*image.size)
        lazy = ' loading="lazy"' if number > 1 and "loading=" not in tag[0] else ""
        return tag[0].replace("<img", f"<img{size}{lazy}", 1)

    return PICTURE.sub(replace, html)


def slim(app, error):
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    pages = {page: page.read_text("utf8") for page in site.rglob("*.html") if static not in page.parents}
    code = (path for path in static.rglob("*.js") if not any(name in path.as_posix() for name in NOT_READ))
    words = set(COMPOSED).union(*map(WORD.findall, (*pages.values(), *(path.read_text("utf8") for path in code))))
    own = {Path(name).name for name, _ in app.config.html_css_files}
    bundles = {}
    for page, html in pages.items():
        links = SHEET.findall(html)
        if not links:  # it only forwards to another
            continue
        sheets = tuple((page.parent / HREF.search(link)[1]).resolve() for link in links)
        if sheets not in bundles:
            bundles[sheets] = bundle(sheets, static.resolve(), words, own)
        link = f'    <link rel="stylesheet" href="{os.path.relpath(bundles[sheets], page.parent.resolve())}" />\n'
        html = SHEET.sub("", html.replace(links[0], "@sheet@", 1)).replace("@sheet@", link, 1)
        html = SCRIPT.sub(lambda tag, page=page: script(tag, page), html)
        page.write_text(with_pictures(html, page), "utf8")


def setup(app):
    app.connect("build-finished", slim, priority=900)  # after all that adds to the site
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
