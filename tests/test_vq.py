"""The autoencoder of tokens and their prior against enumeration, a law of causality, and the other backend."""

import itertools
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from discrete import nearest, normal, numpy, small, small_prior

from aecore import data
from aecore.networks import conv_decoder, conv_encoder, mlp_encoder
from aecore.objectives import Bernoulli, SquaredError
from aecore.quantisers import FSQ, VectorQuantiser
from aecore.vq import VQVAE, CodePrior

rng = np.random.default_rng(12)


def test_the_loss_is_the_sum_of_its_terms(x):
    model = small(VectorQuantiser(5, 2, decay=None, commitment=0.3, initializer=normal), SquaredError())
    z, book = model.encode_batch(x), numpy(model.quantiser.codebook)
    tokens = nearest(z, book)
    np.testing.assert_array_equal(model.encode(x), tokens)
    distance = ((z - book[tokens]) ** 2).sum(axis=(1, 2, 3)).mean()
    error = ((x - model.reconstruct(x)) ** 2).sum(axis=(1, 2, 3)).mean()
    losses = model.evaluate(x)
    assert losses["rec"] == pytest.approx(error, rel=1e-5)
    assert losses["codebook"] == pytest.approx(distance, rel=1e-5)
    assert losses["commit"] == pytest.approx(distance, rel=1e-5)
    assert losses["loss"] == pytest.approx(error + 1.3 * distance, rel=1e-5)
    np.testing.assert_array_equal(model.reconstruct(x), model.decode(tokens))
    np.testing.assert_allclose(model.decode(tokens, batch_size=7), model.decode(tokens), atol=1e-6)


def test_the_prior_sums_to_one_over_all_grids():
    prior = small_prior()
    every = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    tokens = rng.integers(0, 3, (64, 2, 2)) ** 2 // 2
    history = prior.fit(tokens, epochs=30, batch_size=32, validation_data=tokens[:20], verbose=0).history
    assert history["val_nll"][-1] == pytest.approx(-prior.log_prob(tokens[:20]).mean(), rel=1e-5)
    log_probs = prior.log_prob(every)
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-5)
    assert log_probs.std() > 0.5  # it has learned something
    assert prior.evaluate(every)["nll"] == pytest.approx(-log_probs.mean(), rel=1e-5)


def test_samples_have_the_probabilities_of_the_prior():
    prior = small_prior(codes=2, grid=(3,))
    prior.fit(np.array([[0, 1, 1], [1, 0, 0], [0, 1, 0]] * 20), epochs=40, batch_size=30, verbose=0)
    every = np.array(list(itertools.product(range(2), repeat=3)))
    drawn = prior.sample(4000, seed=1)
    share = [(drawn == tokens).all(axis=1).mean() for tokens in every]
    np.testing.assert_allclose(share, np.exp(prior.log_prob(every)), atol=0.03)
    assert max(share) > 0.2
    np.testing.assert_array_equal(prior.sample(50, seed=1), prior.sample(50, seed=1))
    assert (prior.sample(50, seed=2) != prior.sample(50, seed=1)).any()


def test_no_place_sees_itself_or_a_later_token():
    prior = small_prior(codes=5, grid=(2, 3))
    prior.fit(rng.integers(0, 5, (32, 2, 3)), epochs=5, batch_size=32, verbose=0)
    tokens = rng.integers(0, 5, (8, 6)).astype("float32")
    logits = prior.logits_batch(tokens)
    for i in range(6):
        other = tokens.copy()
        other[:, i:] = (other[:, i:] + rng.integers(1, 5, other[:, i:].shape)) % 5
        changed = np.abs(prior.logits_batch(other) - logits).max(axis=(0, 2))
        np.testing.assert_allclose(changed[: i + 1], 0, atol=1e-6)
        assert np.all(changed[i + 1 :] > 1e-4)


QUANTISERS = {
    "from data": lambda: VectorQuantiser(9, 3, decay=0.9, seed=4),
    "means": lambda: VectorQuantiser(9, 3, decay=0.9, initializer=normal, revive=0.0),
    "gradient": lambda: VectorQuantiser(9, 3, decay=None, commitment=0.5, initializer=normal, revive=0.0),
    "fsq": lambda: FSQ((4, 3, 2)),
}


@pytest.mark.parametrize("name", QUANTISERS)
def test_a_saved_model_is_the_same_model(name, tmp_path, x, same):
    model = small(QUANTISERS[name](), Bernoulli(), keras.optimizers.Adam(0.01))
    model.fit(x, batch_size=30, verbose=0)
    model.save(tmp_path / "vq.keras")
    again = keras.saving.load_model(tmp_path / "vq.keras")
    same(model, again)
    assert again.quantiser.get_config() == model.quantiser.get_config()
    for m in (model, again):
        m.fit(x, batch_size=30, seed=1, verbose=0)
    same(model, again)
    np.testing.assert_array_equal(model.encode(x), again.encode(x))


def test_a_saved_prior_is_the_same_prior(tmp_path, same):
    prior, tokens = small_prior(dropout=0.1), rng.integers(0, 3, (32, 2, 2))
    prior.fit(tokens, batch_size=16, verbose=0)
    prior.save(tmp_path / "prior.keras")
    again = keras.saving.load_model(tmp_path / "prior.keras")
    same(prior, again)
    np.testing.assert_array_equal(prior.log_prob(tokens), again.log_prob(tokens))
    np.testing.assert_array_equal(prior.sample(5), again.sample(5))


# --- the other backend runs this file as a script; which vectors of a batch are drawn is each backend's own ------

PARITY = ("means", "gradient", "fsq", "prior")


def trained(model, x):
    history = model.fit(x, epochs=2, batch_size=20, seed=2, verbose=0).history
    weights = {f"weight {i}": numpy(w) for i, w in enumerate(model.weights) if "seed" not in w.path}
    return {**{f"loss {k}": np.array(v) for k, v in history.items()}, **weights}


def tokens_of(x):
    return (x[:, ::4, ::4, 0] * 2.99).astype("int32")


def other_side(folder):
    x = data.digits().train.x[:60]
    for name in PARITY:
        model = keras.saving.load_model(folder / f"{name}.keras")
        inputs = tokens_of(x) if name == "prior" else x
        before = model.log_prob(inputs) if name == "prior" else model.encode(inputs)
        np.savez(folder / f"{name}.npz", before=before, **trained(model, inputs))


@pytest.fixture(scope="module")
def folder(elsewhere):
    prior = CodePrior((2, 2), 3, width=8, heads=2, blocks=1)
    prior.compile(keras.optimizers.SGD(0.01))
    return elsewhere(__file__, {**{name: small(make()) for name, make in QUANTISERS.items()}, "prior": prior})


@pytest.mark.parametrize("name", PARITY)
def test_both_backends_agree(name, folder, x):
    model, theirs = keras.saving.load_model(folder / f"{name}.keras"), np.load(folder / f"{name}.npz")
    inputs = tokens_of(x) if name == "prior" else x
    before = model.log_prob(inputs) if name == "prior" else model.encode(inputs)
    np.testing.assert_allclose(before, theirs["before"], atol=1e-5)
    ours = trained(model, inputs)
    assert set(ours) == set(theirs.files) - {"before"}
    for key, value in ours.items():
        np.testing.assert_allclose(value, theirs[key], rtol=1e-3, atol=1e-4, err_msg=key)


# --- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CodePrior((4, 4), 1), ValueError, "codes wants a whole number >= 2, got 1"),
        (lambda: CodePrior((4, 4), 8, width=9), ValueError, "a width that 4 heads can share, got .* width=9"),
        (lambda: CodePrior((), 8), ValueError, r"wanted a grid such as \(4, 4\)"),
        (lambda: CodePrior((4, 0), 8), ValueError, r"grid\[1\] wants a whole number >= 1, got 0"),
        (lambda: VQVAE(None, None, FSQ((2,))), TypeError, "encoder wants a Model"),
        (lambda: VQVAE(*parts(2), FSQ((2, 2, 2))), ValueError, r"gives \(4, 4, 2\), .*code_size=3"),
        (lambda: VQVAE(mlp_encoder((8, 8, 1), (), 2), parts(2)[1], FSQ((2, 2))), ValueError, "with grid=True"),
        (lambda: VQVAE(*parts(2), 512), TypeError, "quantiser wants a Quantiser, got 512"),
        (lambda: VQVAE(*parts(2), FSQ((2, 2)), likelihood="mse"), TypeError, "likelihood wants a Likelihood"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def parts(size):
    net = dict(shape=(8, 8, 1), filters=(4,), code_size=size, grid=True)
    return conv_encoder(**net), conv_decoder(**net)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda m, p, x, t: m.decode(t + 4), ValueError, r"decode: wanted tokens 0..3, got 4 to 4"),
        (lambda m, p, x, t: m.decode(t - 1), ValueError, "got -1 to -1"),
        (lambda m, p, x, t: m.decode(t.astype("float32")), TypeError, "integers 0..3, got float32"),
        (lambda m, p, x, t: m.decode(t[:, :2]), ValueError, r"shape \(n, 4, 4\), got \(60, 2, 4\)"),
        (lambda m, p, x, t: m.decode(t[0]), ValueError, r"shape \(n, 4, 4\), got \(4, 4\)"),
        (lambda m, p, x, t: m.fit(x, x), ValueError, "Leave y out"),
        (lambda m, p, x, t: m.fit(2 * x), ValueError, r"VQVAE: a Bernoulli likelihood wants pixels in \[0, 1\]"),
        (lambda m, p, x, t: m.encode(x[:, :4]), ValueError, r"wanted shape \(n, 8, 8, 1\)"),
        (lambda m, p, x, t: p.fit(t + 9), ValueError, "CodePrior: wanted tokens 0..3, got 9 to 9"),
        (lambda m, p, x, t: p.log_prob(x), TypeError, "wanted tokens, integers 0..3, got float32"),
        (lambda m, p, x, t: p.log_prob(t[:0]), ValueError, r"shape \(n, 4, 4\), got \(0, 4, 4\)"),
        (lambda m, p, x, t: p.sample(0), ValueError, "n wants a whole number >= 1, got 0"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_refused(use, error, message, x):
    model, prior = small(FSQ((2, 2)), Bernoulli()), small_prior(4, (4, 4))
    with pytest.raises(error, match=message):
        use(model, prior, x, np.zeros((60, 4, 4), "int32"))


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))


def test_question_and_answer_start_apart():
    prior = CodePrior((2, 2), 5, width=8, heads=2, blocks=1)
    attention = next(layer for layer in prior.network.layers if isinstance(layer, keras.layers.MultiHeadAttention))
    kernels = [numpy(getattr(attention, f"{part}_dense").kernel) for part in ("query", "key", "value")]
    for a, b in itertools.combinations(kernels, 2):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.5
