"""Figures hold what they were given, and a printed source is the code that runs."""

import ast
import inspect
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pytest

import aecore
from aecore import ae, callbacks, corruption, layers, networks, objectives, training, viz

IMAGES = np.random.default_rng(0).uniform(size=(7, 4, 5, 1)).astype("float32")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (arguments, keywords)."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: calls.append((a, k)))
    return calls


def bare(tree):
    """The tree of a source without its docstrings, as text."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Expr(ast.Constant(...))]
    return ast.dump(tree)


MODULES = (ae, callbacks, corruption, layers, networks, objectives, training, viz, aecore.data, aecore.metrics)
THINGS = [v for m in MODULES for k, v in vars(m).items()
          if (inspect.isclass(v) or inspect.isfunction(v)) and v.__module__ == m.__name__]  # fmt: skip


@pytest.mark.parametrize("thing", THINGS, ids=lambda t: f"{t.__module__}.{t.__name__}")
def test_a_printed_source_is_the_code(thing, shown):
    viz.source(thing)
    (((markdown,), _),) = shown
    text = markdown.data.removeprefix("```python\n").removesuffix("\n```")
    tree = ast.parse(text)
    assert bare(tree) == bare(ast.parse(textwrap.dedent(inspect.getsource(thing))))
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    assert not any(ast.get_docstring(n) for n in nodes)
    comments = lambda t: [line for line in t.splitlines() if line.strip().startswith("#")]
    assert comments(text) == comments(textwrap.dedent(inspect.getsource(thing)))


def with_comment(x):
    """Doc."""
    # This stays.
    return x


def test_the_line_after_a_docstring_stays():
    assert viz._without_docstrings(with_comment) == "def with_comment(x):\n    # This stays.\n    return x"


def test_show_gives_the_picture_with_its_text_and_closes_it(shown):
    fig, ax = viz.figure(size=(3, 2))
    ax.plot([1, 2])
    viz.show(fig, "A line that rises from one to two.")
    (((bundle,), keywords),) = shown
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"] == "A line that rises from one to two."
    assert keywords["metadata"]["image/png"] == {"alt": "A line that rises from one to two.", "width": 300}
    assert not plt.get_fignums()


@pytest.mark.parametrize("alt", ["", "   ", "a plot", "a b c"])
def test_show_wants_a_sentence(alt, shown):
    with pytest.raises(ValueError, match="alt must describe the figure in a sentence, got"):
        viz.show(viz.figure()[0], alt)
    assert not shown


def pictures(fig):
    return [a.images[0].get_array().data if a.images else None for a in fig.axes]


def test_an_array_of_images_is_wrapped_into_rows():
    got = pictures(viz.image_grid(IMAGES, columns=3))
    assert len(got) == 9
    for picture, image in zip(got[:7], IMAGES, strict=True):
        np.testing.assert_array_equal(picture, image[..., 0])
    assert got[7:] == [None, None]
    assert len(pictures(viz.image_grid(IMAGES))) == 7


def test_a_list_of_images_is_rows():
    colour = np.repeat(IMAGES[:2], 3, axis=-1)
    fig = viz.image_grid([IMAGES[:3], colour], titles=["a", "b"], row_titles=["grey", "colour"])
    got = pictures(fig)
    np.testing.assert_array_equal(got[2], IMAGES[2, ..., 0])
    np.testing.assert_array_equal(got[3], colour[0])
    assert got[5] is None
    assert [a.get_title() for a in fig.axes] == ["a", "b", "", "", "", ""]
    assert [a.get_ylabel() for a in fig.axes] == ["grey", "", "", "colour", "", ""]
    assert {a.images[0].get_clim() for a in fig.axes if a.images} == {(0.0, 1.0)}


def test_tensors_are_images_too():
    noisy = corruption.GaussianNoise(0.1)(IMAGES)
    np.testing.assert_array_equal(pictures(viz.image_grid(noisy))[6], np.asarray(noisy)[6, ..., 0])


def test_images_without_a_channel_axis_are_refused():
    with pytest.raises(ValueError, match=r"image_grid: wanted rows of shape \(n, h, w, c\), got \[\(7, 4, 5\)\]"):
        viz.image_grid([IMAGES[..., 0]])


def test_a_scatter_has_every_code_and_every_label_at_its_centre():
    codes, labels = np.random.default_rng(1).standard_normal((30, 2)), np.arange(30) % 3
    ax = viz.code_scatter(codes, labels, title="codes").axes[0]
    for k, (points, text) in enumerate(zip(ax.collections, ax.texts, strict=True)):
        np.testing.assert_array_equal(points.get_offsets(), codes[labels == k])
        assert text.get_text() == str(k)
        np.testing.assert_allclose(text.get_position(), np.median(codes[labels == k], axis=0))
    with pytest.raises(ValueError, match=r"wanted codes of shape \(n, 2\), got \(30, 3\). Choose two units"):
        viz.code_scatter(np.zeros((30, 3)), labels)


def test_curves_are_drawn_where_they_are():
    ax = viz.curves({"a": [1, 2, 4], "b": [3, 2, 1]}, ylabel="nats", logy=True).axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 1], [2, 2], [3, 4]])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [3, 2, 1])
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "epoch", "nats")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert viz.curves({"a": [1, 2]}, x=[5, 7]).axes[0].get_legend() is None
