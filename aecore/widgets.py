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
from aecore.viz import CLASSES

LIVE = Path(__file__).parent / "live"
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
        text = IMPORT.sub("", text)
        yield text if part == name else re.sub(r"^export ", "", text, flags=re.MULTILINE)

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

    Args:
        autoencoder: Autoencoder with a code of 2, of images of 1 or 3 channels.
        codes: codes of data, shown behind the point, (n, 2).
        labels: their labels, (n,).
        title: what the figure is, for screen readers.
    Traits: code, [z_1, z_2]: where the point is.
    Raises: ValueError where shapes do not fit, or where the page cannot run the decoder.
    Chapter 1.
    """

    _esm = _module("plane")
    code = traitlets.List(traitlets.Float(), [0.0, 0.0], 2, 2).tag(sync=True)

    def __init__(self, autoencoder, codes, labels, title="Code plane"):
        codes, labels = np.asarray(codes), np.asarray(labels)
        if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels) or not len(codes):
            raise ValueError(f"CodePlane: wanted codes (n, 2) and n labels, got {codes.shape} and {labels.shape}.")
        buffer = export.Buffer()
        low, high = codes.min(axis=0), codes.max(axis=0)
        margin = 0.05 * (high - low) + 1e-6
        super().__init__(
            title,
            buffer,
            decoder=export.decoder(autoencoder, buffer),
            codes=buffer.half(codes),
            labels=labels.tolist(),
            range=[(low - margin).tolist(), (high + margin).tolist()],
            colours=CLASSES,
        )
        self.code = np.median(codes, axis=0).tolist()


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


def _png(picture):
    """A picture in [0, 1], (h, w, c), as a PNG file."""
    if picture.shape[-1] not in (1, 3) or picture.min() < -1e-6 or picture.max() > 1 + 1e-6:
        raise ValueError(f"Frames: wanted values in [0, 1] in 1 or 3 channels, got {picture.shape}. Rescale or clip.")
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype("u1")
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG", optimize=True)
    return file.getvalue()


def _drawn(figure):
    """A matplotlib figure as a PNG file. It is closed, as `viz.show` does."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    return file.getvalue()
