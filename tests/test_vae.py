"""The VAE against linear-Gaussian models, whose likelihood and posterior are known exactly."""

import itertools

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from aecore import VAE, data, vae
from aecore.callbacks import Schedule
from aecore.distributions import MixturePrior
from aecore.networks import mlp_decoder, mlp_encoder
from aecore.objectives import Gaussian

D, d, SCALE, CLASSES = 6, 2, 0.7, 3
rng = np.random.default_rng(0)
numpy = keras.ops.convert_to_numpy
W = np.linalg.qr(rng.standard_normal((D, d)))[0] * (1.5, 0.8)  # orthogonal: the posterior's covariance is diagonal
OFFSET, SHIFT = rng.standard_normal(D), rng.standard_normal((CLASSES, D))
X = (rng.standard_normal((400, d)) @ W.T + OFFSET + SCALE * rng.standard_normal((400, D))).astype("float32")
EXACT = multivariate_normal(OFFSET, W @ W.T + SCALE**2 * np.eye(D)).logpdf(X)
PRECISION = np.eye(d) + W.T @ W / SCALE**2  # of p(z | x)


def linear(shift=0.0, widen=0.0, conditional=False, optimizer=None, **arguments):
    """The model that made X, as a VAE. Its q(z | x) is the exact posterior, moved by `shift` and widened."""
    c = CLASSES if conditional else 0
    gain = np.linalg.solve(PRECISION, W.T) / SCALE**2  # (d, D)
    log_var = -np.log(np.diag(PRECISION)) + widen
    means = np.concatenate([gain.T, -SHIFT[:c] @ gain.T])  # (D + c, d)
    encoder = mlp_encoder((D,), (), 2 * d, condition_size=c)
    encoder.set_weights([np.c_[means, np.zeros_like(means)], np.r_[shift - gain @ OFFSET, log_var]])
    decoder = mlp_decoder((D,), (), d, condition_size=c)
    decoder.set_weights([np.concatenate([W.T, SHIFT[:c]]), OFFSET])
    model = VAE(encoder, decoder, likelihood=Gaussian(SCALE), classes=c or None, **arguments)
    model.compile(optimizer or keras.optimizers.SGD(0.0))
    return model


def gap(shift, widen):
    """KL(q || p(z | x)), the same for every x."""
    v = np.exp(widen)
    return 0.5 * (d * (v - 1 - widen) + np.sum(np.diag(PRECISION)) * shift**2)


@pytest.mark.parametrize("at_once", [vae.AT_ONCE, 3 * D])
def test_with_the_exact_posterior_the_bound_is_the_likelihood(at_once, monkeypatch):
    monkeypatch.setattr(vae, "AT_ONCE", at_once)  # 3 codes at a time, too: chunks do not matter
    x, exact = (X, EXACT) if at_once > 99 else (X[:10], EXACT[:10])
    for samples in (1, 2, 7):
        np.testing.assert_allclose(linear().log_prob(x, samples), exact, atol=2e-4)
        np.testing.assert_allclose(linear().bound(x, samples), exact, atol=2e-4)


def test_a_conditional_model_has_a_likelihood_for_each_condition():
    model, labels = linear(conditional=True), np.arange(400) % CLASSES
    exact = [multivariate_normal(OFFSET + SHIFT[c], W @ W.T + SCALE**2 * np.eye(D)).logpdf(X) for c in range(CLASSES)]
    np.testing.assert_allclose(model.log_prob(X, 3, condition=labels), np.choose(labels, exact), atol=2e-4)
    codes = rng.standard_normal((400, d)).astype("float32")
    np.testing.assert_allclose(model.decode(codes, labels), codes @ W.T + OFFSET + SHIFT[labels], atol=1e-4)
    np.testing.assert_array_equal(
        model.reconstruct(X, labels), model.decode(model.encode(X, condition=labels).mean, labels)
    )
    np.testing.assert_array_equal(model.sample(400, 1, labels), model.decode(model.prior.sample(400, 1), labels))
    loss = model.evaluate(X, condition=labels)["loss"]
    assert loss == pytest.approx(-np.choose(labels, exact).mean(), abs=0.2)
    history = model.fit(X, condition=labels, validation_data=(X, labels), batch_size=100, verbose=0).history
    assert history["loss"][0] == pytest.approx(loss, abs=0.2)
    assert history["val_loss"][0] == pytest.approx(loss, abs=0.2)


def test_the_loss_is_the_likelihood_less_the_gap():
    shift, widen, many = 0.5, 0.6, 64
    terms = linear(shift, widen, samples=many).evaluate(X)
    q = linear(shift, widen).encode(X)
    kl = 0.5 * (np.exp(q.log_var) + q.mean**2 - 1 - q.log_var).sum(axis=1).mean()
    spread = np.sum(np.exp(q.log_var[0]) * (W**2).sum(axis=0))  # trace of the variance of W z
    error = ((X - q.mean @ W.T - OFFSET) ** 2).sum(axis=1).mean() + spread
    rec = error / (2 * SCALE**2) + D * np.log(SCALE) + D / 2 * np.log(2 * np.pi)
    assert terms["kl"] == pytest.approx(kl, rel=1e-4)
    assert terms["rec"] == pytest.approx(rec, abs=0.05)
    assert terms["loss"] == pytest.approx(-EXACT.mean() + gap(shift, widen), abs=0.05)
    assert linear(shift, widen).bound(X, 200).mean() == pytest.approx(EXACT.mean() - gap(shift, widen), abs=0.02)
    with_mixture = linear(shift, widen, samples=many, prior=standard_mixture()).evaluate(X)
    assert with_mixture["kl"] == pytest.approx(kl, abs=0.05)  # by Monte Carlo


def standard_mixture():
    prior = MixturePrior(d, 2)
    prior.means.assign(np.zeros((2, d)))
    return prior


def test_the_importance_bound_grows_towards_the_likelihood():
    x = np.tile(X, (8, 1))
    estimates = {k: linear(0.5, 0.6).log_prob(x, k, seed=k) for k in (1, 2, 4, 16, 64, 512)}
    error = lambda k: estimates[k].std() / np.sqrt(len(x))
    means = {k: v.reshape(8, -1).mean() for k, v in estimates.items()}
    for low, high in itertools.pairwise(means):
        assert means[high] > means[low]
    assert means[1] == pytest.approx(EXACT.mean() - gap(0.5, 0.6), abs=0.05)
    assert EXACT.mean() - 0.01 < means[512] < EXACT.mean() + 3 * error(512) / 10
    for k in (1, 4, 16):  # what training calls the loss is the same bound
        terms = linear(0.5, 0.6, samples=k, importance_weighted=True).evaluate(x)
        assert -terms["loss"] == pytest.approx(means[k], abs=0.06)
        assert terms["loss"] == pytest.approx(terms["rec"] + terms["kl"] - terms["gain"], abs=1e-4)
        assert (terms["gain"] > 0.02) == (k > 1)


def test_importance_weights_are_those_of_a_double_loop(monkeypatch):
    monkeypatch.setattr(vae, "AT_ONCE", 4 * D)
    samples, n = 3, 5  # 3 samples of one example at a time
    got = linear(0.3, 0.4).log_prob(X[:n], samples, seed=9)
    q, draws = linear(0.3, 0.4).encode(X[:n]), np.random.default_rng(9)
    for i in range(n):
        z = q.mean[i] + np.exp(q.log_var[i] / 2) * draws.standard_normal((samples, 1, d), "float32")[:, 0]
        p = [multivariate_normal(s @ W.T + OFFSET, SCALE**2 * np.eye(D)).pdf(X[i]) for s in z]
        weights = p * multivariate_normal(np.zeros(d)).pdf(z) / multivariate_normal(
            q.mean[i], np.diag(np.exp(q.log_var[i]))
        ).pdf(z)  # fmt: skip
        assert got[i] == pytest.approx(np.log(weights.mean()), abs=1e-3)


def test_a_trained_linear_vae_is_probabilistic_pca():
    ppca = PCA(d).fit(X).score(X)
    encoder, decoder = mlp_encoder((D,), (), 2 * d), mlp_decoder((D,), (), d)
    model = VAE(encoder, decoder, likelihood=Gaussian(1.0, learned=True), samples=4)
    model.compile(keras.optimizers.Adam(0.05))
    rates = Schedule(model.optimizer.learning_rate, lambda epoch: 0.05 * 0.985**epoch)
    model.fit(X, epochs=250, batch_size=100, callbacks=[rates], verbose=0)
    kernel, bias = decoder.get_weights()
    variance = np.exp(2 * float(model.likelihood.log_scale))
    truth = multivariate_normal(bias, kernel.T @ kernel + variance * np.eye(D)).logpdf(X)
    assert ppca - 0.05 < truth.mean() < ppca + 1e-3  # no linear-Gaussian model is better on X than PPCA
    assert model.log_prob(X, 100).mean() == pytest.approx(truth.mean(), abs=0.02)
    assert ppca - 0.06 < model.bound(X, 100).mean() < ppca + 0.01
    assert np.exp(float(model.likelihood.log_scale)) == pytest.approx(np.sqrt(PCA(d).fit(X).noise_variance_), rel=0.03)


def test_beta_and_free_bits_weigh_the_kl():
    base = linear(0.5, 0.6).evaluate(X)
    model = linear(0.5, 0.6, beta=4.0)
    assert model.evaluate(X)["loss"] == pytest.approx(base["rec"] + 4 * base["kl"], abs=1e-3)
    model.beta.assign(0.25)  # takes effect after tracing
    again = model.evaluate(X)
    assert again["loss"] == pytest.approx(again["rec"] + 0.25 * again["kl"], rel=1e-5)

    q = linear(0.5, 0.6).encode(X)
    each = (0.5 * (np.exp(q.log_var) + q.mean**2 - 1 - q.log_var)).mean(axis=0)
    for bits in (each.min() / 2, each.mean(), 2 * each.max()):
        model = linear(0.5, 0.6, free_bits=float(bits), beta=3.0)
        terms = model.evaluate(X, batch_size=400)
        assert terms["kl"] == pytest.approx(each.sum(), rel=1e-4)
        assert terms["loss"] == pytest.approx(terms["rec"] + 3 * np.maximum(each, bits).sum(), rel=1e-4)


def test_a_kl_below_its_free_bits_has_no_gradient():
    def step(**arguments):
        model = linear(0.5, 0.6, optimizer=keras.optimizers.SGD(0.01), **arguments)
        model.fit(X, batch_size=400, verbose=0)
        return np.concatenate([w.ravel() for w in map(numpy, model.trainable_weights)])

    without = step(beta=0.0)
    np.testing.assert_allclose(step(free_bits=50.0), without, atol=1e-6)
    assert np.abs(step(free_bits=0.01) - without).max() > 1e-3


def test_a_schedule_sets_a_variable_before_every_epoch(tmp_path):
    seen = []
    for epochs in (2, 5):  # the second run goes on from the first
        model = linear(beta=9.0)
        look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs, m=model: seen.append(float(m.beta)))
        schedule = Schedule(model.beta, lambda epoch: min(1.0, epoch / 4))
        history = model.fit(X, epochs=epochs, callbacks=[schedule, look], checkpoint=tmp_path / "a.npz", verbose=0)
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0]
    terms = {k: np.array(v) for k, v in history.history.items()}
    np.testing.assert_allclose(terms["loss"], terms["rec"] + np.array(seen) * terms["kl"], rtol=1e-5)
    with pytest.raises(TypeError, match=r"wanted a keras.Variable such as vae.beta, got 1.0"):
        Schedule(1.0, lambda epoch: 0.0)


def test_grey_pixels_are_tossed_anew_at_every_look():
    net = dict(shape=(4,), hidden=())
    model = VAE(mlp_encoder(**net, code_size=2), mlp_decoder(**net, code_size=1), binarise=True)
    grey = np.tile(np.float32([0.0, 0.2, 0.7, 1.0]), (20_000, 1))
    looks = [numpy(model(grey)["x"]) for _ in range(2)]
    for x in looks:
        assert set(np.unique(x)) == {0.0, 1.0}
        np.testing.assert_allclose(x.mean(axis=0), grey[0], atol=0.02)
    assert np.mean(looks[0] != looks[1]) == pytest.approx(2 * (0.16 + 0.21) / 4, abs=0.02)
    once = data.binarised(grey, seed=4)
    np.testing.assert_allclose(once.mean(axis=0), grey[0], atol=0.02)
    np.testing.assert_array_equal(data.binarised(grey, seed=4), once)
    with pytest.raises(ValueError, match=r"wanted grey values in \[0, 1\], got 0 to 2"):
        data.binarised(2 * grey)


def test_many_samples_are_summed_without_loss():
    """Weights that are all p(x): the estimate is exact for any number of them."""
    net = dict(shape=(3072,), hidden=())
    model = VAE(mlp_encoder(**net, code_size=2), mlp_decoder(**net, code_size=1), likelihood=Gaussian(1.0))
    model.set_weights([np.zeros_like(w) if w.ndim else w for w in model.get_weights()])
    x = np.full((1, 3072), 2.0, "float32")
    exact = -0.5 * 3072 * (4 + np.log(2 * np.pi))
    for estimate in (model.log_prob(x, samples=5000), model.bound(x, samples=5000)):
        np.testing.assert_allclose(estimate, exact, atol=0.02)  # in float32 0.9 is lost
