"""What the tests of segmentation figures share: small pictures with masks, and segmenters whose appearance is given."""

import numpy as np
from codes import small_vae

from aecore.dense import DenseCRF
from aecore.gos import Segmenter
from aecore.objectives import Bernoulli

SIDE = 8


class Given:
    """An appearance that is the same in every round: logits (n, h, w) of the object, for all pictures at once."""

    def __init__(self, logits):
        self.log_p = np.stack([np.zeros_like(logits), logits], axis=-1).astype("f4")

    def fit_predict(self, pictures, q, known=None):
        assert len(pictures) == len(self.log_p)
        return self.log_p


def pictures(n=3, channels=3, seed=0):
    """Pictures of noisy blocks, (n, 8, 8, c), with masks, (n, 8, 8)."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, SIDE, SIDE), "i4")
    for i, mask in enumerate(masks):
        mask[2 + i % 2 : 6, 1 + i % 3 : 6] = 1
    x = 0.3 + 0.3 * masks[..., None] + 0.15 * rng.normal(size=(*masks.shape, channels))
    return np.clip(x, 0, 1).astype("f4"), masks


def logits(masks, seed=1):
    """What an appearance might say of them."""
    return 4 * (masks - 0.5) + np.random.default_rng(seed).normal(0, 3, masks.shape)


def segmenter(prior=None, channels=3, **more):
    """Fitted to the masks of `pictures`, with an appearance that is given."""
    _, masks = pictures(channels=channels)
    crf = DenseCRF(4, 2.0, 1.0, position=3.0, colour=0.25, spatial_width=1.5, damping=0.2)
    parts = {"crf": crf, "appearance": Given(logits(masks)), "rounds": 3, "border": 0.125, **more}
    return Segmenter(prior, **parts).fit(masks)


def trio(build):
    """Segmenters that differ in their prior: the mean shape, an autoencoder, a VAE."""
    priors = {"mean": None, "ae": coded(build), "vae": small_vae(3, likelihood=Bernoulli())}
    return {name: segmenter(prior) for name, prior in priors.items()}


def coded(build, **parts):
    """An untrained autoencoder of masks of 8 x 8."""
    return build(hidden=(9,), code_size=3, likelihood=Bernoulli(), **parts)
