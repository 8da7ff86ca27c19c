"""The VAE's variants saved, resumed, compiled and refused, and losses that are lost."""

import keras
import numpy as np
import pytest

from aecore import VAE, data
from aecore.corruption import Mask
from aecore.distributions import MixturePrior, StandardNormal, VampPrior
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli, Categorical, Gaussian, SquaredError

NET = dict(shape=(8, 8, 1), hidden=(6,))
IMAGES = dict(shape=(8, 8, 1), filters=(3,))


def dense(c=0, k=1, optimizer=None, **arguments):
    encoder = mlp_encoder(**NET, code_size=6, condition_size=c)
    decoder = mlp_decoder(**NET, code_size=3, condition_size=c, params_per_value=k)
    model = VAE(encoder, decoder, **{"classes": c or None, **arguments})
    model.compile(optimizer or keras.optimizers.Adam(0.01))
    return model


def convolutional(**arguments):
    model = VAE(conv_encoder(**IMAGES, code_size=6), conv_decoder(**IMAGES, code_size=3), **arguments)
    model.compile(keras.optimizers.Adam(0.01))
    return model


VARIANTS = {
    "plain": lambda: dense(seed=3),
    "beta, free bits": lambda: dense(beta=0.5, free_bits=0.1, samples=2),
    "importance weights, mixture": lambda: dense(samples=3, importance_weighted=True, prior=MixturePrior(3, 2)),
    "vamp": lambda: dense(prior=VampPrior(np.eye(64, dtype="float32").reshape(64, 8, 8, 1)[:4])),
    "conditional": lambda: dense(c=10, likelihood=Gaussian(0.3, learned=True)),
    "symbols": lambda: dense(k=3, likelihood=Categorical(3)),
    "tossed": lambda: dense(binarise=True),
    "denoising": lambda: dense(corruption=Mask(0.3, patch=2, seed=4)),
    "grey, convolution": lambda: convolutional(grey=True, likelihood=Bernoulli()),
}


@pytest.fixture(scope="module")
def y():
    return data.digits().train.y[:60]


def fitting(name, x, y):
    """What a variant can be trained on: examples and the keyword for its condition."""
    x = {"symbols": np.round(2 * x), "tossed": x, "grey, convolution": x}.get(name, np.round(x))
    return x, {"condition": y} if name == "conditional" else {}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_saved_model_is_the_same_model(name, tmp_path, x, y, same):
    model = VARIANTS[name]()
    x, condition = fitting(name, x, y)
    model.fit(x, **condition, batch_size=30, verbose=0)
    model.beta.assign(0.75)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    x = np.round(x)
    for verb in ("log_prob", "bound"):
        ours, theirs = (getattr(m, verb)(x, 5, **condition) for m in (model, again))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.encode(x, **condition), again.encode(x, **condition))
    np.testing.assert_array_equal(model.sample(60, 2, **condition), again.sample(60, 2, **condition))
    same(model, again)  # with the optimizer's moments
    assert float(again.beta) == 0.75
    ours, theirs = ({k: v for k, v in m.get_config().items() if not isinstance(v, dict)} for m in (model, again))
    assert ours == theirs


@pytest.mark.parametrize("name", ["importance weights, mixture", "conditional"])
def test_an_interrupted_run_goes_on_to_the_same_weights(name, tmp_path, x, y, same):
    x, condition = fitting(name, x, y)
    held_out = (x[:9], y[:9]) if condition else x[:9]  # its noise is drawn from the same stream
    whole, halves = VARIANTS[name](), [VARIANTS[name](), VARIANTS[name]()]
    run = dict(batch_size=30, seed=4, verbose=0, validation_data=held_out, **condition)
    history = whole.fit(x, epochs=2, **run).history
    for model, epochs in zip(halves, (1, 2), strict=True):
        resumed = model.fit(x, epochs=epochs, checkpoint=tmp_path / "run.npz", **run).history
    same(halves[1], whole)
    assert resumed == history
    other = VARIANTS["plain"]()
    with pytest.raises(ValueError, match="belongs to another run"):
        other.fit(np.round(x), checkpoint=tmp_path / "run.npz", verbose=0)


def test_noise_is_drawn_anew_in_every_step_and_belongs_to_the_seed(x):
    x = np.round(x)
    losses = []
    for seed in (3, 3, 4):
        model = dense(optimizer=keras.optimizers.SGD(0.0), seed=seed)
        losses.append(model.fit(x, epochs=3, batch_size=60, verbose=0).history["rec"])
    assert losses[0] == losses[1]
    assert len({*losses[0], *losses[2]}) == 6


def test_one_function_is_compiled_for_all_examples_and_samples(x):
    class Counting(Bernoulli):
        calls = 0

        def nll(self, x, params):
            Counting.calls += 1
            return super().nll(x, params)

    model = dense(likelihood=Counting())
    x = np.tile(np.round(x), (50, 1, 1, 1))[:2999]
    model.log_prob(x, samples=100, seed=1)  # five chunks
    assert Counting.calls == 1
    model.log_prob(x, samples=100, seed=2)
    model.bound(x, samples=100)
    assert Counting.calls == 1


def test_chunks_do_not_matter(x):
    model, x = dense(), np.round(x)
    for got, wanted in zip(model.encode(x, batch_size=7), model.encode(x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(x, batch_size=7), model.reconstruct(x), rtol=1e-5, atol=1e-6)
    assert model.log_prob(x[:1], 1).shape == (1,)


# --- losses that are lost -----------------------------------------------------------------------------


class NotANumber(StandardNormal):
    def kl(self, q, z):
        return super().kl(q, z) * float("nan")


class Overflow(Gaussian):
    def nll(self, x, params):
        return super().nll(x, params) * float("inf")


@pytest.mark.parametrize(
    ("arguments", "term"),
    [(dict(prior=NotANumber(3)), "kl"), (dict(likelihood=Overflow(1.0)), "rec")],
)
@pytest.mark.parametrize("validated", [False, True])
def test_the_first_term_that_is_lost_is_named(arguments, term, validated, x):
    model = dense(**arguments)
    with pytest.raises(FloatingPointError, match=f"The first to go was {term}, in step 1. The weights are lost"):
        model.fit(np.round(x), batch_size=10, validation_data=np.round(x) if validated else None, verbose=0)


def test_weights_that_are_lost_lose_all_terms_at_once(x):
    model = dense(optimizer=keras.optimizers.SGD(1e30))
    with pytest.raises(FloatingPointError, match=r"The first to go was rec( and kl)?, in step [23]"):
        model.fit(np.round(x), batch_size=10, verbose=0)


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dense(beta=-1), ValueError, "beta must be a finite number >= 0, got -1"),
        (lambda: dense(beta=float("nan")), ValueError, "beta must be a finite number >= 0, got nan"),
        (lambda: dense(free_bits=-0.1), ValueError, "free_bits must be a finite number >= 0, got -0.1"),
        (lambda: dense(samples=0), ValueError, "samples wants a whole number >= 1, got 0"),
        (lambda: dense(seed=-1), ValueError, "seed wants a whole number >= 0, got -1"),
        (lambda: dense(c=1), ValueError, "classes wants a whole number >= 2, got 1"),
        (lambda: dense(c=3, classes=None), ValueError, r"no second input, got \[\(3,\)\]. .* condition_size=0"),
        (lambda: dense(classes=3), ValueError, r"input of shape \(3,\), got \[\]. .* condition_size=3"),
        (lambda: dense(c=3, classes=4), ValueError, r"of shape \(4,\), got \[\(3,\)\]"),
        (lambda: dense(free_bits=1, prior=MixturePrior(3, 2)), ValueError, "closed-form KL .* got MixturePrior"),
        (lambda: dense(free_bits=1, samples=2, importance_weighted=True), ValueError, "got importance weights"),
        (lambda: dense(prior=StandardNormal(4)), ValueError, "a prior of codes of size 3, got 4"),
        (lambda: dense(prior="normal"), TypeError, "prior wants a Prior such as MixturePrior"),
        (lambda: dense(likelihood=SquaredError()), ValueError, r"leaves out the constants .* Gaussian\(0.5\*\*0.5\)"),
        (lambda: dense(likelihood=Categorical(4)), ValueError, "Build it with .* params_per_value=4"),
        (lambda: VAE(mlp_encoder(**NET, code_size=3), mlp_decoder(**NET, code_size=3)), ValueError,
         r"3 means and 3 log variances, \(6,\), got \(3,\). Build it with code_size=6"),
        (lambda: VAE(None, None), TypeError, "encoder wants a Model such as mlp_encoder"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m, x: m.fit(x), r"VAE: a Bernoulli likelihood is one of zeros and ones, got values from 0 to 1. Toss"),
        (lambda m, x: m.fit((x - x.mean()) / x.std()), "zeros and ones, got values from -"),
        (lambda m, x: m.evaluate(x), "zeros and ones"),
        (lambda m, x: m.fit(np.round(x), validation_data=x), "zeros and ones"),
        (lambda m, x: m.encode(x), "encode: a Bernoulli likelihood is one of zeros and ones"),
        (lambda m, x: m.log_prob(x), "log_prob: a Bernoulli likelihood is one of zeros and ones"),
        (lambda m, x: m.log_prob(np.round(x), samples=0), "log_prob: samples wants a whole number >= 1, got 0"),
        (lambda m, x: m.bound(np.round(x), samples=-3), "bound: samples wants a whole number >= 1, got -3"),
        (lambda m, x: m.log_prob(np.round(x), seed=-3), "log_prob: seed wants a whole number >= 0, got -3"),
        (lambda m, x: m.sample(0), "n wants a whole number >= 1, got 0"),
        (lambda m, x: m.fit(np.round(x), condition=[1] * 60), "not conditional. Leave condition out, or .* classes=c"),
        (lambda m, x: m.sample(3, condition=[1, 2, 3]), "decode: this model is not conditional"),
        (lambda m, x: m.decode(np.zeros((2, 4), "float32")), r"decode: wanted shape \(n, 3\), got \(2, 4\)"),
        (lambda m, x: dense(grey=True).fit(x - 0.5), r"wants pixels in \[0, 1\], got values from -0.5"),
        (lambda m, x: dense(binarise=True).fit(2 * x), r"wants pixels in \[0, 1\], got values from 0 to 2"),
        (lambda m, x: dense(binarise=True).log_prob(x), "log_prob: a Bernoulli likelihood is one of zeros and ones"),
        (lambda m, x: dense(binarise=True).bound(x), "bound: a Bernoulli likelihood is one of zeros and ones"),
        (lambda m, x: dense(c=10).fit(np.round(x), [1] * 60, condition=[1] * 60), "fit: got labels twice"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_refused(use, message, x):
    with pytest.raises(ValueError, match=message):
        use(dense(), x)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"60 whole numbers from 0 to 9, one per example, got none. Pass condition=labels"),
        (np.arange(59) % 10, r"got shape \(59,\) of int64"),
        (np.eye(10)[np.arange(60) % 10], r"got shape \(60, 10\) of float64"),
        (np.arange(60) % 11, "got 0 to 10"),
        (np.arange(60) % 10 - 1, "got -1 to 8"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(labels, message, x, y):
    model, x = dense(c=10), np.round(x)
    verbs = [m for m in (model.fit, model.evaluate, model.encode, model.reconstruct, model.log_prob, model.bound)]
    for verb in verbs:
        with pytest.raises(ValueError, match=message):
            verb(x, condition=labels)
    with pytest.raises(ValueError, match=message):
        model.decode(np.zeros((60, 3), "float32"), condition=labels)
    with pytest.raises(ValueError, match=message):
        model.sample(60, condition=labels)


def test_a_corruption_changes_what_the_encoder_sees_in_training_and_not_what_is_wanted(x):
    x = np.round(x)
    blind = dense(corruption=Mask(1.0))
    seen = blind(keras.ops.convert_to_tensor(x), training=True)
    nothing = blind.posterior(keras.ops.zeros_like(x))
    np.testing.assert_allclose(seen["q"].mean, nothing.mean, atol=1e-6)
    np.testing.assert_array_equal(seen["x"], x)
    still = blind(keras.ops.convert_to_tensor(x), training=False)
    np.testing.assert_allclose(still["q"].mean, blind.encode(x).mean, atol=1e-5)
    with pytest.raises(TypeError, match=r"corruption wants a Layer such as Blobs\(\)"):
        dense(corruption="blobs")
