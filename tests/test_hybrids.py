"""Autoencoders with a critic: known optima, verbs, files, and the other backend."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from opposed import RATE, D, X, build, d, logit, run, weights, with_sgd

from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares
from aecore.distributions import MixturePrior, VampPrior
from aecore.hybrids import VAEGAN, AdversarialAutoencoder, BiGAN
from aecore.networks import conv_decoder, mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli, Gaussian
from aecore.training import fingerprint

# --- known optima ------------------------------------------------------------------------------------


LINE = (1 + 2 * np.random.default_rng(2).standard_normal((4096, 1))).astype("float32")


def fitted(kind, rate, epochs=50, **arguments):
    """Encoder and decoder of points on a line, each a factor and an offset, after training at a falling rate."""
    critic = mlp_encoder((1,), (32, 32), 1, condition_size=int(kind is BiGAN), activation="leaky_relu")
    net = dict(shape=(1,), hidden=(), code_size=1)
    model = kind(mlp_encoder(**net), mlp_decoder(**net), critic, penalty=R1(0.1), **arguments)
    falling = lambda: keras.optimizers.schedules.CosineDecay(rate, epochs * len(LINE) // 256)
    model.compile(**{f"{player}_optimizer": keras.optimizers.Adam(falling(), beta_1=0.5) for player in model.players()})
    model.fit(LINE, epochs=epochs, batch_size=256, verbose=0)
    return model


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.6, 0.5)])
def test_the_codes_of_an_adversarial_autoencoder_take_the_priors_mean_and_scale(mean, scale):
    prior = MixturePrior(1, 1)
    prior.means.assign([[mean]])
    prior.log_vars.assign([[2 * np.log(scale)]])
    aae = fitted(AdversarialAutoencoder, 0.02, epochs=80, prior=prior)
    codes, samples = aae.encode(LINE), aae.sample(4096)
    assert codes.mean() == pytest.approx(mean, abs=0.25)
    assert codes.std() == pytest.approx(scale, rel=0.25)
    assert np.mean((aae.reconstruct(LINE) - LINE) ** 2) < 0.02 * LINE.var()
    assert samples.mean() == pytest.approx(1, abs=0.6)
    assert samples.std() == pytest.approx(2, rel=0.3)


def test_a_bigans_encoder_is_its_decoders_inverse():
    model = fitted(BiGAN, 0.01)
    codes, samples = model.encode(LINE), model.sample(4096)
    assert np.mean((model.reconstruct(LINE) - LINE) ** 2) < 0.05 * LINE.var()  # it never saw a reconstruction
    assert codes.mean() == pytest.approx(0, abs=0.25)
    assert codes.std() == pytest.approx(1, rel=0.25)
    assert samples.std() == pytest.approx(2, rel=0.25)


# --- verbs, files, what does not fit ----------------------------------------------------------------------

KINDS = {
    "aae": lambda: build(AdversarialAutoencoder, likelihood=Gaussian(0.5, learned=True), loss=LeastSquares()),
    "aae, probabilities": lambda: build(AdversarialAutoencoder, stochastic=True, likelihood=Bernoulli()),
    "vaegan": lambda: build(VAEGAN, weight=2.0, scale=0.5, penalty=R1(0.5)),
    "bigan": lambda: build(BiGAN, penalty=GradientPenalty(1.0)),
    "ali": lambda: build(BiGAN, stochastic=True, loss=Hinge(), seed=4),
}


@pytest.mark.parametrize("name", KINDS)
def test_verbs_agree_with_the_networks(name):
    model = KINDS[name]()
    p = weights(model)
    codes, z = model.encode(X), model.prior.sample(6, seed=2)
    shown = lambda a: 1 / (1 + np.exp(-a)) if "probabilities" in name else a
    np.testing.assert_allclose(codes, run(p, "encoder", X)[1][:, :d], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(X), shown(run(p, "decoder", codes)[1]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.sample(6, seed=2), shown(run(p, "decoder", z)[1]), rtol=1e-4, atol=1e-6)
    seen = [{"pictures": X, "codes": codes}[what] for what in model.sees]
    np.testing.assert_allclose(model.criticise(*seen), logit(p, *seen), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_goes_on_as_it_was(name, tmp_path, same):
    model = with_sgd(KINDS[name]())
    model.fit(X, batch_size=5, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert fingerprint(again) == fingerprint(model)
    for m in (model, again):
        m.fit(X, batch_size=5, verbose=0)
    same(model, again)
    np.testing.assert_array_equal(model.sample(4), again.sample(4))


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, same):
    whole, broken, rest = (with_sgd(KINDS["ali"]()) for _ in range(3))
    whole.fit(X, epochs=3, batch_size=5, verbose=0)
    broken.fit(X, epochs=1, batch_size=5, checkpoint=tmp_path / "run.npz", verbose=0)
    rest.fit(X, epochs=3, batch_size=5, checkpoint=tmp_path / "run.npz", verbose=0)
    same(whole, rest)


def nets(encoder=d, decoder=d, seen=d, logits=1, shape=(D,)):
    return mlp_encoder((D,), (), encoder), mlp_decoder(shape, (), decoder), mlp_encoder((seen,), (), logits)


def normalised():
    x = keras.Input((D,))
    return keras.Model(x, keras.layers.Dense(1)(keras.layers.BatchNormalization()(x)))


def conditional():
    return mlp_encoder((D,), (), d, condition_size=4)


def on_a_grid():
    return conv_decoder((4, 4, 1), (3,), d, grid=True)


AAE = AdversarialAutoencoder


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: AAE(*nets(encoder=3)), ValueError, "an encoder of code_size 2, the decoder's, or 4, got .3"),
        (lambda: AAE(conditional(), *nets()[1:]), ValueError, r"of the encoder, got \[\(3,\), \(4,\)\]"),
        (lambda: AAE(nets()[0], on_a_grid(), nets()[2]), ValueError, r"decoder, got \[\(2, 2, 2\)\]. A code"),
        (lambda: AAE(*nets(shape=(4,))), ValueError, r"wants a decoder with output \(3,\), got \(4,\)"),
        (lambda: AAE(*nets(seen=3)), ValueError, r"wanted a critic of codes, \[\(2,\)\] -> \(1,\), got \[\(3,\)\]"),
        (lambda: AAE(*nets(logits=2)), ValueError, r"got \[\(2,\)\] -> \(2,\)"),
        (lambda: AAE(*nets(), prior=MixturePrior(3, 1)), ValueError, "a prior of codes of size 2, got 3"),
        (lambda: AAE(*nets(), prior=VampPrior(X)), ValueError, "a prior of codes of size 2, got None"),
        (lambda: AAE(*nets(), prior="normal"), TypeError, "prior wants a Prior"),
        (lambda: AAE(*nets(), loss="hinge"), TypeError, "loss wants a AdversarialLoss"),
        (lambda: AAE(*nets(), penalty=10.0), TypeError, "penalty wants a CriticPenalty"),
        (lambda: AAE(*nets(), likelihood="mse"), TypeError, "likelihood wants a Likelihood"),
        (lambda: AAE(*nets(), seed=-1), ValueError, "seed wants a whole number >= 0"),
        (lambda: AAE(None, *nets()[1:]), TypeError, "encoder wants a Model"),
        (lambda: VAEGAN(*nets(seen=D)), ValueError, "wanted means and log variances: an encoder of code_size=4"),
        (lambda: VAEGAN(*nets(encoder=4, seen=D, shape=(4,))), ValueError, "an encoder and a decoder of one shape"),
        (lambda: VAEGAN(*nets(encoder=4, seen=D), weight=-1.0), ValueError, "weight must be a finite number >= 0"),
        (lambda: VAEGAN(*nets(encoder=4, seen=D), scale=0.0), ValueError, "scale > 0, got 0.0"),
        (lambda: VAEGAN(*nets(encoder=4)[:2], normalised(), penalty=R1(1.0)), ValueError, "BatchNormalization"),
        (lambda: BiGAN(*nets(seen=D)), ValueError, r"pictures and codes, \[\(3,\), \(2,\)\] -> \(1,\), got \[\(3,\)\]"),
        (lambda: R1(-1.0), ValueError, "weight must be a finite number >= 0"),
        (lambda: with_sgd(build(BiGAN)).fit(X, X), ValueError, "Leave y out"),
        (lambda: with_sgd(build(BiGAN)).fit(X[:, :2]), ValueError, r"BiGAN: wanted shape \(n, 3\)"),
        (lambda: with_sgd(bounded()).fit(X + 1), ValueError, "from 0 to 1, the data go from 1"),
        (lambda: with_sgd(KINDS["aae, probabilities"]()).fit(2 * X), ValueError, r"wants pixels in \[0, 1\]"),
        (lambda: build(BiGAN).criticise(X), ValueError, "this critic sees pictures and codes, got 1 arrays"),
        (lambda: build(BiGAN).criticise(X, X[:5, :d]), ValueError, "wanted pairs, got 20 and 5"),
        (lambda: build(BiGAN).decode(X), ValueError, r"decode: wanted shape \(n, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(use, error, message):
    with pytest.raises(error, match=message):
        use()


def bounded():
    net = dict(shape=(D,), hidden=(), code_size=d)
    decoder = mlp_decoder(**net, output_activation="sigmoid")
    return BiGAN(mlp_encoder(**net), decoder, mlp_encoder((D,), (), 1, condition_size=d))


# --- the other backend runs this file as a script ---------------------------------------------------------


def trained(path):
    model = keras.saving.load_model(path)
    history = model.fit(X, epochs=3, batch_size=5, verbose=0).history
    return {**history, **{str(key): w for key, w in weights(model).items()}}


@pytest.fixture(scope="module")
def folder(elsewhere):
    slow = lambda model: with_sgd(model, RATE / 5)  # larger steps make rounding errors grow
    return elsewhere(__file__, {name: slow(make()) for name, make in KINDS.items()})


@pytest.mark.parametrize("name", KINDS)
def test_both_backends_agree(name, folder):
    theirs = np.load(folder / f"{name}.npz")
    for key, ours in trained(folder / f"{name}.keras").items():
        np.testing.assert_allclose(ours, theirs[key], rtol=1e-5, atol=1e-5, err_msg=key)


if __name__ == "__main__":
    for name in KINDS:
        np.savez(Path(sys.argv[1]) / f"{name}.npz", **trained(Path(sys.argv[1]) / f"{name}.keras"))
