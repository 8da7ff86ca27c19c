"""Live figures of segmentation: a segmenter to paint on and to dial, and its rounds of inference. Needs anywidget."""

import keras
import numpy as np
import traitlets

from aecore import export
from aecore.appearance import ColourMixture
from aecore.distributions import StandardNormal
from aecore.inference import check_pictures
from aecore.priors import CodedShape
from aecore.regions import check_pairs
from aecore.viz import PALETTE
from aecore.widgets import PIXELS, Live, _module
from aecore.widgets_training import check_settings

SIDE = 32  # of a picture in the page: its kernel has SIDE^4 numbers, 4 MB
MIXTURE = ("components", "steps", "regulariser", "position")  # what a ColourMixture is made of
MOST = 12  # pictures to choose from
DIALS = {  # least and most, as in live/segment.js
    "appearance_weight": (0, 2), "prior_weight": (0, 4), "bilateral": (0, 10), "spatial": (0, 10), "damping": (0, 0.9),
    "position": (0.5, 32), "colour": (1 / 128, 1),
}  # fmt: skip


class SegmenterInPage(Live):
    """Paint what is object, what is not and what is hidden, dial every term of the energy, and watch the mask settle.

    The page runs `Segmenter`'s own rounds: a ColourMixture fitted anew, mean field under dense kernels, then the
    prior's encoder and decoder, with hints as in `predict_proba`. Any other appearance, such as a network's, is fixed:
    what it said in the last round. Where a mask is wrong, its energy and that of the true mask tell whether the search
    has failed (the true mask's is lower) or the energy (it is higher).

    Args:
        segmenters: Segmenter of two labels, fitted, or dict name -> such, of at most four; they may differ in their
            prior, and the first one's weights and CRF are where the dials stand. A prior is None (the mean shape), or
            an Autoencoder or VAE that projects.
        images: (n, h, w, c) in [0, 1], at most 12, of at most 32 x 32 pixels, 1 or 3 channels.
        masks: their true masks, (n, h, w) of zeros and ones, or None.
        title: what the figure is, for screen readers.
    Traits: picture, from 0: which one is shown; prior, its segmenter's name; hints, h * w whole numbers, row by row: 1
        object, 0 background, -2 hidden, -1 none; settings, the dials; mask, q as it has settled.
    Raises: ValueError where shapes do not fit, or where the page cannot run a segmenter.
    Chapters 16 to 18.
    """

    _esm = _module("segment")
    picture = traitlets.Int(0).tag(sync=True)
    prior = traitlets.Unicode().tag(sync=True)
    hints = traitlets.List(traitlets.Int()).tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    mask = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, segmenters, images, masks=None, *, title="A segmenter to paint on"):
        segmenters = segmenters if isinstance(segmenters, dict) else {"segmenter": segmenters}
        images, masks = _check_pictures("SegmenterInPage", images, masks)
        (h, w), first = images.shape[1:3], next(iter(segmenters.values()), None)
        if max(h, w) > SIDE:
            raise ValueError(
                f"SegmenterInPage: wanted pictures of at most {SIDE} x {SIDE} pixels, whose kernel takes "
                f"{SIDE**4 * 4 // 2**20} MB, got {h} x {w}. Segment smaller ones."
            )
        if not 1 <= len(segmenters) <= 4:
            raise ValueError(f"SegmenterInPage: wanted 1 to 4 segmenters, got {len(segmenters)}.")
        buffer, scores, mixtures, normal, networks, probes = export.Buffer(), [], [], [], {}, {}
        coded = {}  # the networks of each model: segmenters may share one
        for k, (name, segmenter) in enumerate(segmenters.items()):
            _check_segmenter(name, segmenter)
            last = segmenter.course(images)[-1]
            refitted = type(segmenter.appearance) is ColourMixture
            mixtures.append({name: getattr(segmenter.appearance, name) for name in MIXTURE} if refitted else None)
            scores.append(None if refitted else buffer.numbers(last["appearance"][..., 0] - last["appearance"][..., 1]))
            normal.append(isinstance(getattr(segmenter.shapes, "p_z", None), StandardNormal))
            if segmenter.shapes is not None:
                model = segmenter.shapes.model
                parts = coded[id(model)] = coded.get(id(model)) or _networks(model, last["q"][..., 1:], buffer)
                networks |= {f"{part}_{k}": described for part, (described, _) in parts.items()}
                probes |= {f"{part}_{k}": probe for part, (_, probe) in parts.items()}
        means = np.stack([s.mean_shape.log_s[..., 1] - s.mean_shape.log_s[..., 0] for s in segmenters.values()])
        super().__init__(
            title,
            buffer,
            priors=[str(name) for name in segmenters],
            pictures=buffer.numbers(images),
            scores=scores,
            mixtures=mixtures,
            means=buffer.exact(means),
            normal=normal,
            **({} if masks is None else {"masks": buffer.pixels(masks)}),
            **networks,
            rounds=first.rounds,
            sweeps=first.crf.sweeps,
            border=first.border,
            spatial_width=float(first.crf.spatial_width),
            probe=probes,
        )
        self.prior = self.spec["priors"][0]
        weights = {name: float(getattr(first, name)) for name in ("appearance_weight", "prior_weight")}
        self.settings = weights | {name: float(getattr(first.crf, name)) for name in DIALS if name not in weights}

    @traitlets.validate("settings")
    def _check_settings(self, proposal):
        wanted = {key: (lambda v, a=a, b=b: a <= v <= b, f"from {a} to {b}") for key, (a, b) in DIALS.items()}
        return check_settings("SegmenterInPage", proposal["value"], wanted)


class InferenceRounds(Live):
    """Slide through the rounds of inference: what appearance and shape said, and the mask that came of it.

    Segmenters stand below one another, so that their priors can be compared round by round.

    Args:
        courses: what `Segmenter.course(images)` gave, or dict name -> such, at most four of as many rounds.
        images: (n, h, w, c) in [0, 1], the pictures that were segmented, at most 12, 1 or 3 channels.
        masks: their true masks, (n, h, w) of zeros and ones, or None. Of several labels all but 0 are the object.
        title: what the figure is, for screen readers.
    Traits: round, from 0, -1 is the last; picture, from 0.
    Raises: ValueError where shapes do not fit, or are more than a page should carry.
    Chapters 17 and 18.
    """

    _esm = _module("rounds")
    round = traitlets.Int(-1).tag(sync=True)
    picture = traitlets.Int(0).tag(sync=True)

    def __init__(self, courses, images, masks=None, *, title="Rounds of inference"):
        courses = courses if isinstance(courses, dict) else {"segmenter": courses}
        images, masks = _check_pictures("InferenceRounds", images, masks)
        shapes = {name: [np.shape(r["q"])[:3] for r in course] for name, course in courses.items()}
        rounds = len(next(iter(shapes.values()), ()))
        if not 1 <= len(courses) <= 4 or not rounds or any(s != [images.shape[:3]] * rounds for s in shapes.values()):
            raise ValueError(
                f"InferenceRounds: wanted 1 to 4 courses of as many rounds, each of q for images {images.shape}, got "
                f"{shapes}. Give what course(images) returns."
            )
        if 3 * len(courses) * rounds * images[..., 0].size > PIXELS:
            raise ValueError(
                f"InferenceRounds: {len(courses)} courses of {rounds} rounds of {len(images)} pictures are more than "
                f"{PIXELS} pixels, in three maps each. Show fewer pictures."
            )
        gather = lambda field, of: np.stack([[of(r[field]) for r in course] for course in courses.values()])
        buffer = export.Buffer()
        levels = lambda maps: buffer.pixels(np.rint(15 * maps) / 15)  # 16 of them compress well; no q changes its side
        super().__init__(
            title,
            buffer,
            names=[str(name) for name in courses],
            pictures=buffer.pixels(images),
            q=levels(gather("q", lambda q: 1 - q[..., 0])),
            shape=levels(gather("prior", lambda s: 1 - s[..., 0])),
            appearance=levels(gather("appearance", lambda e: 0.5 + (e[..., 0] - e[..., 1:].min(-1)) / 16)),
            free_energy=gather("free_energy", np.asarray).astype("float64").tolist(),
            **({} if masks is None else {"masks": buffer.pixels(masks)}),
            colours=PALETTE,
        )


def _check_pictures(name, images, masks):
    """Pictures, (n, h, w, c), that a page can show, and their masks of zeros and ones, or None."""
    images = check_pictures(images, name)
    if len(images) > MOST or images.shape[-1] not in (1, 3):
        raise ValueError(f"{name}: wanted at most {MOST} pictures of 1 or 3 channels, got {images.shape}. Show fewer.")
    if masks is not None:
        images, masks = check_pairs(images, masks, name)
        masks = (masks > 0).astype("float32")
    return images, masks


def _check_segmenter(name, segmenter):
    """Raise a ValueError that names what the page cannot run."""
    if segmenter.mean_shape is None:
        raise ValueError(f"SegmenterInPage: the segmenter {name!r} knows no shape yet. Call fit(masks) first.")
    shapes, crf, p_z = segmenter.shapes, segmenter.crf, getattr(segmenter.shapes, "p_z", None)
    projects = shapes is None or (isinstance(shapes, CodedShape) and not shapes.searched)
    faults = {
        "a segmenter of two labels": segmenter.labels == 2,
        "no prior, or an Autoencoder or VAE that projects": projects,
        "a VAE whose prior is N(0, I)": isinstance(p_z, (StandardNormal, type(None))),
        "a DenseCRF with colours, swept all at once": crf.colour is not None and not crf.chequered,
    }
    for wanted, fits in faults.items():
        if not fits:
            raise ValueError(f"SegmenterInPage: the page runs {wanted}; {name!r} is something else.")
    if shapes is not None:
        export.check_unconditional(shapes.model)


def _networks(model, masks, buffer):
    """Encoder and decoder of a model of masks: part -> (as `export.network`, probe). Args: masks, typical q."""
    encode = lambda x: keras.ops.convert_to_numpy(model.encoder(x.reshape(-1, *model.shape), training=False))
    codes, paper = CodedShape(model).encode(masks).mean, np.repeat([[0.0], [1.0]], masks[0].size, axis=1)
    ends = np.stack([codes.min(axis=0) - 0.5, codes.max(axis=0) + 0.5])
    return {
        "encoder": (export.network(model.encoder, buffer), export.probe(encode, paper, buffer)),
        "decoder": (export.decoder(model, buffer), export.probe(model.decode, ends, buffer)),
    }
