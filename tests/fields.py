"""Pictures, unaries, and dense fields by double loops, for the tests of dense CRFs."""

import keras
import numpy as np

array = keras.ops.convert_to_numpy


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def problem(n=2, h=5, w=6, n_labels=2, channels=3, seed=0):
    """Random unaries, and pictures whose colours come in patches, so that some pixels are alike and some are alone."""
    rng = np.random.default_rng(seed)
    patches = rng.random((n, -(-h // 3), -(-w // 3), channels)).repeat(3, 1).repeat(3, 2)[:, :h, :w]
    pictures = np.clip(patches + 0.03 * rng.normal(size=patches.shape), 0, 1)
    return rng.normal(size=(n, h, w, n_labels)).astype("float32"), pictures.astype("float32")


def double_loop(picture, position, colour, known=None):
    h, w = picture.shape[:2]
    places = [(i, j) for i in range(h) for j in range(w)]
    k = np.zeros((h * w, h * w))
    for a, (i, j) in enumerate(places):
        for b, (y, x) in enumerate(places):
            exponent = ((i - y) ** 2 + (j - x) ** 2) / (2 * position**2)
            if colour is not None:
                exponent += np.sum((picture[i, j].astype(float) - picture[y, x]) ** 2) / (2 * colour**2)
            k[a, b] = np.exp(-exponent) * (a != b)
            if known is not None:
                k[a, b] *= known[i, j] * known[y, x]
    scale = np.maximum(k.sum(1), 1e-3) ** -0.5
    return scale[:, None] * k * scale


def by_loops(field, unary, picture, sweeps, known=None):
    """Mean field with the kernels of double loops."""
    k = float(field.bilateral.value) * double_loop(picture, field.position, field.colour, known)
    k += float(field.spatial.value) * double_loop(picture, field.spatial_width, None)
    u = unary.reshape(len(k), -1).astype(float)
    q = softmax(-u)
    for _ in range(sweeps):
        q = softmax(k @ q - u)
    return q.reshape(unary.shape), k


def scene(n, h, w, seed=0):
    """Pictures of a bright disc on a dark ramp with noise, and unaries that say where it is, with errors."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((h, w))
    disc = (y - h / 2) ** 2 + (x - w / 2) ** 2 < (min(h, w) / 3) ** 2
    pictures = 0.2 + 0.2 * x[..., None] / w + 0.4 * disc[..., None] * rng.random((n, 1, 1, 3))
    pictures = np.clip(pictures + 0.02 * rng.normal(size=(n, h, w, 3)), 0, 1)
    score = (2 * disc - 1) + 1.5 * rng.normal(size=(n, h, w))
    return np.stack([score * 0, -score], -1).astype("float32"), pictures.astype("float32"), disc
