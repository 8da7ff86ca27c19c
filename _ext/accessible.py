"""Mend in the pages what the theme and docutils get wrong for readers who listen, as far as axe-core finds it."""

MENDED = {
    # A list has list items; ARIA has taken this role back, and it was never allowed in a list.
    'role="doc-biblioentry"': 'role="listitem"',
    # The visible text says what is hidden ("Show code cell source"); the label hid that and said less.
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def mend(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    for wrong, right in MENDED.items():
        body = body.replace(wrong, right)
    context["body"] = body


def setup(app):
    app.connect("html-page-context", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
