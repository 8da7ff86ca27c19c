"""Live figures: the same class runs in JupyterLab, in Colab, and with no kernel in the static page. Needs anywidget.

A figure carries its trained networks and data with it (`aecore.export`), and its JavaScript, `aecore/live/`, runs
them where it is shown. `viz.show(fig, alt=..., live=figure)` puts it beside the picture that stands for it in
print. With a kernel its traits (`code`, `frame`, ...) follow what the reader does, and may be set from Python.
"""

import io
import re
from pathlib import Path

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from PIL import Image

from aecore import export
from aecore.data import check_examples
from aecore.distributions import StandardNormal
from aecore.viz import CLASSES, PALETTE, WIDGET

LIVE = Path(__file__).parent / "live"
PIXELS = 400_000  # that one figure may bring along as pictures of data
IMPORT = re.compile(r'^import \{.*?\} from "\./(\w+)\.js";\n', re.MULTILINE | re.DOTALL)


def _module(name):
    """One JavaScript module out of live/name.js and what it imports: a figure has to travel in one piece."""
    done = []

    def collect(part):
        text = (LIVE / f"{part}.js").read_text("utf8")
        for needed in IMPORT.findall(text):
            if needed not in done:
                yield from collect(needed)
        done.append(part)
        yield IMPORT.sub("", text)

    return "".join(collect(name))


class Live(anywidget.AnyWidget):
    """What all live figures have in common: a description, a buffer of numbers, and a title for screen readers."""

    _css = (LIVE / "live.css").read_text("utf8")
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)

    def __init__(self, title, buffer, **spec):
        super().__init__(spec={"title": title, **spec}, data=bytes(buffer.bytes))


class CodePlane(Live):
    """Drag a point over a code space of two numbers and see it decoded; pick two points and play the way between.

    Where the codes are distributions, the ellipse of q(z | x) of the example nearest to the point is shown, with draws
    from it, decoded; and the prior's circles where the prior is N(0, I).

    Args:
        autoencoder: Autoencoder or VAE with a code of 2, of images of 1 or 3 channels.
        codes: codes of data, shown behind the point, (n, 2), or what a VAE's `encode` gives: mean and log_var (n, 2).
        labels: their labels, (n,).
        title: what the figure is, for screen readers.
        pictures: the examples themselves, (n, h, w, c), or None: the one nearest to the point is shown beside what is
            decoded. They travel with the page: a few hundred small ones.
    Traits: code, [z_1, z_2]: where the point is.
    Raises: ValueError where shapes do not fit, or where the page cannot run the decoder.
    Chapters 1 and 10.
    """

    _esm = _module("plane")
    code = traitlets.List(traitlets.Float(), [0.0, 0.0], 2, 2).tag(sync=True)

    def __init__(self, autoencoder, codes, labels, title="Code plane", pictures=None):
        codes, log_var = export.posterior(codes)
        labels = np.asarray(labels)
        if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels) or not len(codes):
            raise ValueError(f"CodePlane: wanted codes (n, 2) and n labels, got {codes.shape} and {labels.shape}.")
        if autoencoder.code_size != 2:
            raise ValueError(f"CodePlane: wanted a code of 2 numbers, got {autoencoder.code_size}. Train one with 2.")
        buffer, more = export.Buffer(), {}
        ends, (names, numbers) = _ends(codes), np.unique(labels, return_inverse=True)
        if log_var is not None:
            if log_var.shape != codes.shape:
                raise ValueError(f"CodePlane: wanted a log_var {codes.shape}, as the mean, got {log_var.shape}.")
            reach, normal = 2 * np.exp(log_var / 2), isinstance(autoencoder.prior, StandardNormal)
            ends = _ends(np.concatenate([codes - reach, codes + reach, [[-2, -2], [2, 2]] if normal else codes]))
            ends = ends.mean(axis=0) + np.array([[-0.5], [0.5]]) * np.ptp(ends, axis=0).max()  # a circle is one
            more = {"log_var": buffer.numbers(log_var), "normal_prior": normal}
        if pictures is not None:
            pictures = check_examples(pictures, autoencoder.shape, "CodePlane")
            if len(pictures) != len(codes) or pictures.size > PIXELS:
                raise ValueError(
                    f"CodePlane: wanted {len(codes)} pictures, one for each code, of at most {PIXELS} pixels together, "
                    f"got {pictures.shape}. Show fewer examples."
                )
            more["pictures"] = buffer.pixels(pictures)
        super().__init__(
            title,
            buffer,
            decoder=export.decoder(autoencoder, buffer),
            codes=buffer.numbers(codes),
            labels=numbers.tolist(),
            names=[str(name) for name in names],
            range=ends.tolist(),
            colours=CLASSES,
            probe={"decoder": export.probe(autoencoder.decode, ends, buffer)},
            **more,
        )
        self.code = np.median(codes, axis=0).tolist()


class Draw(Live):
    """Draw a picture and see it encoded and decoded while you draw; move single units of its code.

    Args:
        autoencoder: Autoencoder of images of one channel, with a code of at most 64.
        examples: pictures of data, (n, h, w, 1): the first ten can be called up, and all codes give the sliders' range.
        pen: width of the pen, as a share of the picture's.
        title: what the figure is, for screen readers.
    Traits: picture, the drawing's h * w values in [0, 1], row by row; code, the d values at the sliders.
    Raises: ValueError where shapes do not fit, or where the page cannot run the networks.
    Chapter 3.
    """

    _esm = _module("draw")
    picture = traitlets.List(traitlets.Float()).tag(sync=True)
    code = traitlets.List(traitlets.Float()).tag(sync=True)

    @traitlets.validate("code")
    def _check_code(self, proposal):
        code, units = proposal["value"], len(self.spec.get("ranges", ()))
        if code and len(code) != units:
            raise ValueError(f"Draw: wanted a code of {units} numbers, got {len(code)}.")
        return code

    def __init__(self, autoencoder, examples, pen=0.1, title="Draw and reconstruct"):
        examples = check_examples(examples, (*autoencoder.shape[:-1], 1), "Draw")
        codes = autoencoder.encode(examples)
        if codes.shape[1] > 64:
            raise ValueError(f"Draw: wanted a code of at most 64 numbers, each with a slider, got {codes.shape[1]}.")
        ends, paper = _ends(codes), np.repeat([[0.0], [1.0]], examples[0].size, axis=1)  # blank, full
        buffer = export.Buffer()
        super().__init__(
            title,
            buffer,
            encoder=export.network(autoencoder.encoder, buffer),
            decoder=export.decoder(autoencoder, buffer),
            examples=buffer.pixels(examples[:10]),
            ranges=ends.T.tolist(),
            pen=pen,
            probe={
                "encoder": export.probe(lambda x: autoencoder.encode(x.reshape(-1, *autoencoder.shape)), paper, buffer),
                "decoder": export.probe(autoencoder.decode, ends, buffer),
            },
        )


class Dial(Live):
    """Models trained at several settings, side by side in one place: turn the dial and see what the setting does.

    Args:
        models: dict setting -> Autoencoder or VAE, in the order of the dial, with codes of one size.
        pictures: what they encode, (n, h, w, c) in [0, 1]; about eight fit beside one another.
        terms: dict name -> one number for each setting: the terms of the loss, measured.
        name: what is set, for example "lambda".
        title: what the figure is, for screen readers.
    Traits: setting, from 0: where the dial stands.
    Raises: ValueError where numbers of settings or shapes do not fit.
    Chapters 2 and 10.
    """

    _esm = _module("dial")
    setting = traitlets.Int(0).tag(sync=True)

    def __init__(self, models, pictures, terms, name="lambda", title="Regulariser dial"):
        pictures = check_examples(pictures, (None, None, None), "Dial")
        wrong = {key: len(values) for key, values in terms.items() if len(values) != len(models)}
        if wrong:
            raise ValueError(f"Dial: wanted {len(models)} numbers for each term, one for each setting, got {wrong}.")
        codes = [export.posterior(model.encode(pictures))[0] for model in models.values()]
        if len({c.shape for c in codes}) != 1:
            raise ValueError(f"Dial: wanted codes of one size, got {[c.shape[-1] for c in codes]}.")
        rebuilt = np.stack([model.decode(c) for model, c in zip(models.values(), codes, strict=True)])
        buffer = export.Buffer()
        super().__init__(
            title,
            buffer,
            settings=[str(setting) for setting in models],
            pictures=buffer.pixels(pictures),
            reconstructions=buffer.pixels(np.clip(rebuilt, 0, 1)),
            codes=buffer.numbers(np.stack(codes)),
            terms={key: [float(value) for value in values] for key, values in terms.items()},
            name=name,
            colours=PALETTE,
        )


class Frames(Live):
    """Anything computed before, one frame at a time: slide, play, or step with the arrow keys.

    Args:
        frames: pictures in [0, 1], (n, h, w, c) with 1 or 3 channels, or a list of matplotlib figures.
        captions: n texts, one for each frame; they are also what a screen reader says.
        name: what the slider counts.
        size: width on the page, pixels.
        pause: between frames when played, milliseconds.
        title: what the figure is, for screen readers.
    Traits: frame, from 0: which one is shown.
    Raises: ValueError where frames and captions differ in number, or pictures in size or range.
    """

    _esm = _module("frames")
    frame = traitlets.Int(0).tag(sync=True)

    def __init__(self, frames, captions, name="frame", size=320, pause=400, title="Frames"):
        drawn = not isinstance(frames, np.ndarray)
        if not drawn:
            frames = check_examples(frames, (None, None, None), "Frames")
        if len(frames) != len(captions):
            raise ValueError(f"Frames: wanted a caption for each of {len(frames)} frames, got {len(captions)}.")
        buffer = export.Buffer()
        files = [buffer.file(_drawn(frame) if drawn else _png(frame)) for frame in frames]
        spec = {"frames": files, "captions": [str(caption) for caption in captions], "smooth": drawn}
        super().__init__(title, buffer, **spec, name=name, size=size, pause=pause)


def controls(function, button="Run", **choices):
    """Run `function` now, with its own defaults, and offer controls that run it again where there is a kernel.

    The static page keeps the result of the first run and says where the controls work, instead of showing dead ones.

    Args:
        function: takes the names in `choices`, each with a default that is the setting of the first run; shows what
            comes of it.
        button: what the button says.
        choices: name -> list of settings, or anything else that ipywidgets.interact takes.
    """
    import ipywidgets
    from IPython.display import display

    function()
    panel = ipywidgets.interactive(function, {"manual": True, "manual_name": button}, **choices)
    view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
    text = f"Controls: {', '.join(choices)}. They need a kernel."
    display({WIDGET: view, "text/plain": text}, raw=True, metadata={WIDGET: {"needs_kernel": True}})


def _ends(codes):
    """Lowest and highest value of each code unit with a margin, (2, d): how far a control goes."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    margin = 0.05 * (high - low) + 1e-3
    return np.stack([low - margin, high + margin])


def _png(picture):
    """A picture in [0, 1], (h, w, c), as a PNG file."""
    if picture.shape[-1] not in (1, 3) or picture.min() < -1e-6 or picture.max() > 1 + 1e-6:
        raise ValueError(f"Frames: wanted values in [0, 1] in 1 or 3 channels, got {picture.shape}. Rescale or clip.")
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype("u1")
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG", optimize=True)
    return file.getvalue()


def _drawn(figure):
    """A matplotlib figure as a PNG file of 64 colours, under half of the weight. It is closed, as `viz.show` does."""
    file, small = io.BytesIO(), io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    Image.open(file).convert("RGB").quantize(64).save(small, format="PNG", optimize=True)
    return small.getvalue()
