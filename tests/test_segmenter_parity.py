"""The segmenter finds the same masks on TensorFlow and on JAX: all rounds of inference, and every term of the energy.

Two shape priors are trained and saved here. This file, run as a script under the other backend, loads them and
segments the same scenes, which NumPy draws. Every round refits the colours to a mask, so rounding errors grow. The
bands: after five rounds probabilities agree within 5e-4, and terms of the energy within 1e-5 of their size and 2e-3
nats. Seen were 1e-4 and 3e-4; a prior, or a search in its code, moves a probability by more than 5e-2.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from aecore import VAE, Autoencoder, scenes
from aecore.corruption import Blobs
from aecore.gos import Segmenter
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli

SIZE = 16
SCENES = scenes.objects(44, size=SIZE, clutter=0.5, seed=3)
MASKS, X, Y = SCENES.masks[:40], SCENES.x[40:], SCENES.masks[40:]
CASES = {
    "mean shape": (None, "project"),
    "autoencoder, projected": ("autoencoder", "project"),
    "autoencoder, searched": ("autoencoder", "map"),
    "vae, projected": ("vae", "project"),
    "vae, searched": ("vae", "map"),
}


def autoencoder():
    net = dict(shape=(SIZE, SIZE, 1), filters=(6, 8), code_size=6)
    return Autoencoder(conv_encoder(**net), conv_decoder(**net), likelihood=Bernoulli(), corruption=Blobs(0.3))


def vae():
    net = dict(shape=(SIZE, SIZE, 1), hidden=(24,))
    return VAE(mlp_encoder(**net, code_size=8), mlp_decoder(**net, code_size=4), grey=True)


def answers(prior, latent):
    """What a segmenter says of four scenes, and of the same ones with a part hidden and with hints."""
    segmenter = Segmenter(prior, latent=latent).fit(MASKS)
    known, hints = np.ones(Y.shape, bool), np.full(Y.shape, -1)
    known[:, 4:9, 5:10] = False
    hints[:, 11, 6:9] = 1
    found = {}
    for case, more in {"all seen": {}, "hidden, hints": {"known": known, "hints": hints}}.items():
        q = found[f"{case}: q"] = segmenter.predict_proba(X, **more)
        for what, labels in {"truth": Y, "q": q}.items():
            terms = segmenter.energy(X, labels, **more)
            found |= {f"{case}: energy of {what}, {name}": values for name, values in terms.items()}
    return found


def other_side(folder):
    priors = {name: keras.saving.load_model(folder / f"{name}.keras") for name in ("autoencoder", "vae")}
    for case, (name, latent) in CASES.items():
        np.savez(folder / f"{case}.npz", **answers(priors.get(name), latent))


@pytest.fixture(scope="module")
def priors():
    models = {"autoencoder": autoencoder(), "vae": vae()}
    for model in models.values():
        model.compile(keras.optimizers.Adam(5e-3))
        Segmenter(model).fit(MASKS, epochs=8, copies=5)
    return models


@pytest.fixture(scope="module")
def folder(elsewhere, priors):
    return elsewhere(__file__, priors)


@pytest.mark.parametrize("case", CASES)
def test_both_backends_agree(case, folder, priors):
    name, latent = CASES[case]
    ours, theirs = answers(priors.get(name), latent), np.load(folder / f"{case}.npz")
    assert set(ours) == set(theirs.files)
    for key, value in ours.items():
        band = dict(rtol=0, atol=5e-4) if key.endswith(": q") else dict(rtol=1e-5, atol=2e-3)
        np.testing.assert_allclose(value, theirs[key], **band, err_msg=key)


def test_the_cases_differ_by_more_than_the_band(priors):
    """Otherwise agreement would say nothing of a prior, or of the search."""
    q = np.stack([answers(priors.get(name), latent)["all seen: q"] for name, latent in CASES.values()])
    apart = abs(q[:, None] - q).max(axis=(2, 3, 4, 5))
    assert (apart + np.eye(len(CASES)) > 0.05).all()


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
