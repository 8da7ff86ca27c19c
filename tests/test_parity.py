"""The same weights and data give the same losses and gradients on TensorFlow and on JAX.

Every variant is made and saved here. This file, run as a script under the other backend, loads each one, trains
it and saves it again. Tolerances: 1e-4 of the size of what is compared, of losses, gradients and trained weights;
1e-5 of pixels and log-likelihoods after loading a file of the other backend.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from aecore import VAE, Autoencoder, data
from aecore.distributions import MixturePrior
from aecore.layers import TopK
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import L1, L2, Bernoulli, Categorical, Contractive, Gaussian, KLSparsity

RATE = 1e-3


def dense(likelihood=None, penalty=None, tied=False, **kwargs):
    net = dict(shape=(8, 8, 1), hidden=(6,), code_size=4)
    k = likelihood.params_per_value if likelihood else 1
    decoder = None if tied else mlp_decoder(**net, params_per_value=k)
    return Autoencoder(mlp_encoder(**net, **kwargs), decoder, likelihood=likelihood, penalty=penalty)


def convolutional():
    net = dict(shape=(8, 8, 1), filters=(3,), code_size=4)
    return Autoencoder(conv_encoder(**net), conv_decoder(**net), likelihood=Bernoulli(), penalty=Contractive(0.1))


def variational(c=0, **arguments):
    net = dict(shape=(8, 8, 1), hidden=(6,), condition_size=c)
    encoder, decoder = mlp_encoder(**net, code_size=6), mlp_decoder(**net, code_size=3)
    return VAE(encoder, decoder, likelihood=Gaussian(0.5, learned=True), **arguments)


def same_noise(shape, seed=None):
    """For keras.random.normal, whose numbers differ between the backends."""
    return keras.ops.convert_to_tensor(np.random.default_rng(3).standard_normal(shape), "float32")


VARIANTS = {
    "squared error, l2, tied": lambda: dense(penalty=L2(0.5), tied=True),
    "bernoulli, kl": lambda: dense(Bernoulli(), KLSparsity(0.5, rate=0.2), code_activation="sigmoid"),
    "gaussian, l1": lambda: dense(Gaussian(0.5, learned=True), L1(0.5)),
    "categorical, k-sparse": lambda: dense(Categorical(3), code_activation=TopK(2)),
    "convolution, contractive": convolutional,
    "vae, beta, free bits": lambda: variational(beta=2.0, free_bits=0.02, samples=2),
    "vae, importance weights": lambda: variational(samples=3, importance_weighted=True, prior=MixturePrior(3, 2)),
}


def examples():
    return np.round(2 * data.digits().train.x[:48]) / 2


def trained(ae, x):
    """Losses of every term in three epochs of three steps, weights after one step and after all of them."""
    ae.compile(keras.optimizers.SGD(RATE))
    first = ae.fit(x[:16], batch_size=16, verbose=0).history
    step = [keras.ops.convert_to_numpy(w) for w in ae.trainable_weights]
    later = ae.fit(x, epochs=3, batch_size=16, seed=2, verbose=0).history
    end = [keras.ops.convert_to_numpy(w) for w in ae.trainable_weights]
    losses = {f"loss {k}": np.array([*first[k], *later[k]]) for k in first}
    return {**losses, **{f"step {i}": w for i, w in enumerate(step)}, **{f"end {i}": w for i, w in enumerate(end)}}


def seen(ae, x):
    """What a model says about examples: pictures, and where it has them, log-likelihoods."""
    return ae.log_prob(x, 20) if isinstance(ae, VAE) else ae.reconstruct(x)


def other_side(folder):
    keras.random.normal = same_noise
    for name in VARIANTS:
        ae = keras.saving.load_model(folder / f"{name}.keras")
        x = examples() * (2 if name.startswith("categorical") else 1)
        before = seen(ae, x)
        results = trained(ae, x)
        np.savez(folder / f"{name}.npz", before=before, after=seen(ae, x), **results)
        ae.save(folder / f"{name}.back.keras")


@pytest.fixture(scope="module")
def folder(elsewhere):
    models = {name: make() for name, make in VARIANTS.items()}
    for ae in models.values():
        ae.compile(keras.optimizers.Adam())
        ae.build_optimizer()
    return elsewhere(__file__, models)


@pytest.mark.parametrize("name", VARIANTS)
def test_both_backends_agree(name, folder, monkeypatch):
    monkeypatch.setattr(keras.random, "normal", same_noise)
    ae = keras.saving.load_model(folder / f"{name}.keras")
    start = [keras.ops.convert_to_numpy(w) for w in ae.trainable_weights]
    x = examples() * (2 if name.startswith("categorical") else 1)
    theirs = np.load(folder / f"{name}.npz")
    np.testing.assert_allclose(seen(ae, x), theirs["before"], rtol=1e-5, atol=1e-5)
    ours = trained(ae, x)
    assert set(ours) == set(theirs.files) - {"before", "after"}
    for key, value in ours.items():
        if key.startswith("step"):  # the gradient of the first step
            w = start[int(key[5:])]
            g, h = (w - value) / RATE, (w - theirs[key]) / RATE
            np.testing.assert_allclose(g, h, atol=1e-4 * np.abs(h).max() + 3e-7 * np.abs(w).max() / RATE, err_msg=key)
            assert np.abs(g).max() > 0
        else:
            np.testing.assert_allclose(value, theirs[key], rtol=1e-4, atol=1e-4, err_msg=key)
    back = keras.saving.load_model(folder / f"{name}.back.keras")
    np.testing.assert_allclose(seen(back, x), theirs["after"], rtol=1e-5, atol=1e-5)
    assert int(back.optimizer.iterations) == 10


def test_a_loaded_model_compiles_as_its_new_machine_does(folder):
    back = keras.saving.load_model(folder / "bernoulli, kl.back.keras")
    assert back.jit_compile == (keras.backend.backend() == "jax")


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
