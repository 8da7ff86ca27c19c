"""Figures in one style, and the package's own source in a chapter. Needs matplotlib.

Importing this module sets matplotlib's style for the session, so that figures a reader adds look like the book's.
"""

import inspect
import io
import textwrap

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

# Okabe and Ito's colours, dark enough on white, in the order in which lines use them.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
# Ten classes: hues far apart, and every scatter also writes the label at the class's centre.
CLASSES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#5D3A9B", "#7F7F7F", "#8C564B", "#2D8B2D")
STYLE = {
    # A figure brings its own white paper: it reads the same on a light and on a dark page.
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "figure.dpi": 150, "savefig.dpi": 150, "figure.constrained_layout.use": True, "font.size": 10, "axes.titlesize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#DDDDDD",
    "axes.axisbelow": True, "axes.prop_cycle": matplotlib.cycler(color=PALETTE), "lines.linewidth": 1.8,
    "legend.frameon": False, "image.cmap": "gray", "image.interpolation": "nearest",
}  # fmt: skip
plt.rcParams.update(STYLE)
WIDGET = "application/vnd.jupyter.widget-view+json"


def figure(rows=1, columns=1, size=(6.4, 3.2), **kwargs):
    """Make a figure in the book's style. Args: as plt.subplots, size in inches. Returns: (figure, axes)."""
    return plt.subplots(rows, columns, figsize=size, **kwargs)


def show(fig, alt, live=None):
    """Display a figure with its text alternative, and close it.

    Args:
        fig: matplotlib figure.
        alt: what the figure shows, in a sentence or two, for readers who cannot see it. It also stands in
            for the figure where only text can be shown.
        live: the figure that runs (widgets.py), shown instead wherever it can run; `fig` stays for print and for
            pages without JavaScript.
    Raises: ValueError where alt says nothing.
    """
    if len(alt.split()) < 4:
        raise ValueError(f"show: alt must describe the figure in a sentence, got {alt!r}.")
    from IPython.display import display

    png = io.BytesIO()
    fig.savefig(png, format="png")
    width = int(fig.get_figwidth() * 100)
    plt.close(fig)
    bundle = {"image/png": png.getvalue(), "text/plain": alt}
    if live is not None:
        bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": live.model_id}
    display(bundle, raw=True, metadata={"image/png": {"alt": alt, "width": width}})


def image_grid(images, columns=None, titles=None, row_titles=None, scale=0.75, vmin=0.0, vmax=1.0, cmap=None):
    """Show images side by side, or a list of rows of images under one another.

    Args:
        images: (n, h, w, c) in [vmin, vmax], or a list of such arrays: one row each.
        columns: images in a row; where `images` is one array, it is wrapped.
        titles: text above each image of the first row.
        row_titles: text left of each row.
        scale: inches per image.
        vmin, vmax, cmap: grey or colour scale, for one channel.
    Returns: figure.
    """
    if not isinstance(images, (list, tuple)):
        images = np.asarray(images)
        columns = columns or len(images)
        images = [images[i : i + columns] for i in range(0, len(images), columns)]
    images = [np.asarray(row) for row in images]
    if any(row.ndim != 4 for row in images):
        raise ValueError(f"image_grid: wanted rows of shape (n, h, w, c), got {[row.shape for row in images]}.")
    rows, columns = len(images), max(len(row) for row in images)
    left = 0.13 * max((len(t) for t in row_titles), default=0) / 2 if row_titles else 0
    head = 0.3 if titles else 0
    fig, axes = figure(rows, columns, size=(columns * scale + left, rows * scale + head), squeeze=False)
    for r, row in enumerate(images):
        for c, ax in enumerate(axes[r]):
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
            if c < len(row):
                picture = row[c][..., 0] if row[c].shape[-1] == 1 else row[c]
                ax.imshow(picture, vmin=vmin, vmax=vmax, cmap=cmap)
            if titles and r == 0 and c < len(titles):
                ax.set_title(titles[c], fontsize=9)
        if row_titles:
            axes[r, 0].set_ylabel(row_titles[r], rotation=0, ha="right", va="center", fontsize=9)
    return fig


def code_scatter(codes, labels, ax=None, title=None):
    """Show 2-d codes, coloured by label, with each label written at its class's centre.

    Args: codes, (n, 2); labels, (n,), small integers; ax, to draw into; title.
    Returns: figure.
    """
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(
            f"code_scatter: wanted codes of shape (n, 2), got {codes.shape}. Choose two units: codes[:, :2]."
        )
    fig, ax = figure(size=(4.2, 4.0)) if ax is None else (ax.figure, ax)
    for label in np.unique(labels):
        points = codes[labels == label]
        colour = CLASSES[int(label) % len(CLASSES)]
        ax.scatter(*points.T, s=9, color=colour, alpha=0.6, linewidths=0)
        ax.text(
            *np.median(points, axis=0), str(label), color=colour, fontsize=9, weight="bold", ha="center", va="center",
            bbox={"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": colour},
        )  # fmt: skip
    ax.set(xlabel="code unit 1", ylabel="code unit 2", title=title)
    return fig


def curves(series, x=None, xlabel="epoch", ylabel="", logy=False, ax=None, title=None):
    """Draw lines, each with its own colour and dashes, and a legend where there are several.

    Args:
        series: dict name -> values, (n,); x, (n,), or 1..n.
        xlabel, ylabel, title: with units where there are any.
        logy: logarithmic vertical axis.
        ax: to draw into.
    Returns: figure.
    """
    fig, ax = figure() if ax is None else (ax.figure, ax)
    dashes = ("-", "--", "-.", ":")
    for i, (name, values) in enumerate(series.items()):
        places = np.arange(1, len(values) + 1) if x is None else x
        ax.plot(places, values, dashes[i % len(dashes)], label=name, color=PALETTE[i % len(PALETTE)])
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log" if logy else "linear")
    if len(series) > 1:
        ax.legend()
    return fig


def source(*objects):
    """Show the source of functions or classes as it stands in the package, without docstrings.

    What a chapter prints is what runs: text and code cannot part.
    """
    from IPython.display import Markdown, display

    for thing in objects:
        display(Markdown(f"```python\n{_without_docstrings(thing)}\n```"))


def _without_docstrings(thing):
    import ast

    text = textwrap.dedent(inspect.getsource(thing))
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
            doc = node.body[0]
            for i in range(doc.lineno - 1, doc.end_lineno):
                lines[i] = None
            if len(node.body) == 1:  # a body has to stay
                lines[doc.lineno - 1] = " " * doc.col_offset + "..."
            elif not lines[doc.end_lineno].strip():  # the blank line after it
                lines[doc.end_lineno] = None
    return "\n".join(line for line in lines if line is not None)
