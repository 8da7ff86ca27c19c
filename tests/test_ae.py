"""The autoencoder against hand-derived gradients, PCA, and its own saved self."""

import keras
import numpy as np
import pytest
from scipy.linalg import subspace_angles

from aecore import Autoencoder
from aecore.corruption import GaussianNoise, Mask, SaltAndPepper
from aecore.layers import TopK
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import L1, L2, Bernoulli, Categorical, Contractive, Gaussian, KLSparsity

rng = np.random.default_rng(0)


def weights(model):
    return [keras.ops.convert_to_numpy(w).astype("float64") for w in model.weights]


@pytest.mark.parametrize("with_targets", [False, True])
def test_one_step_is_the_gradient_derived_by_hand(build, with_targets):
    x, y = rng.standard_normal((2, 10, 6)).astype("float32")
    ae = build(shape=(6,), code_size=2, optimizer=keras.optimizers.SGD(0.05))
    W, b, V, c = before = [*weights(ae.encoder), *weights(ae.decoder)]
    history = ae.fit(x, y if with_targets else None, batch_size=10, verbose=0).history

    z = x @ W + b
    residual = z @ V + c - (y if with_targets else x)
    e = 2 * residual / 10  # d (mean over the batch of the sum of squares) / d reconstruction
    gradients = [x.T @ (e @ V.T), (e @ V.T).sum(axis=0), z.T @ e, e.sum(axis=0)]
    for new, old, gradient in zip([*weights(ae.encoder), *weights(ae.decoder)], before, gradients, strict=True):
        np.testing.assert_allclose((old - new) / 0.05, gradient, rtol=1e-3, atol=2e-4)
    assert history["rec"][0] == pytest.approx((residual**2).sum(axis=1).mean(), rel=1e-5)
    assert history["loss"] == history["rec"]


def test_a_penalty_adds_its_gradient_to_the_step(build):
    x = rng.standard_normal((10, 6)).astype("float32")
    ae = build(shape=(6,), code_size=2, penalty=L2(0.7), optimizer=keras.optimizers.SGD(0.05))
    W, b = weights(ae.encoder)
    V, c = weights(ae.decoder)
    ae.fit(x, batch_size=10, verbose=0)
    z = x @ W + b
    e = 2 * (z @ V + c - x) / 10
    gradient = x.T @ (e @ V.T + 0.7 * 2 * z / 10)
    np.testing.assert_allclose((W - weights(ae.encoder)[0]) / 0.05, gradient, rtol=1e-3, atol=2e-4)


def test_a_linear_autoencoder_finds_the_subspace_of_pca(build):
    x = (rng.standard_normal((256, 12)) * np.geomspace(2, 0.1, 12)) @ np.linalg.qr(rng.standard_normal((12, 12)))[0]
    x = x.astype("float32")
    ae = build(shape=(12,), code_size=3, optimizer=keras.optimizers.Adam(0.01))
    ae.fit(x, epochs=400, batch_size=64, verbose=0)
    ae.optimizer.learning_rate = 0.001
    ae.fit(x, epochs=100, batch_size=64, seed=1, verbose=0)

    centred = x - x.mean(axis=0)
    _, s, directions = np.linalg.svd(centred, full_matrices=False)
    pca_error = (s[3:] ** 2).sum() / len(x)
    error = ((x - ae.reconstruct(x)) ** 2).sum(axis=1).mean()
    assert pca_error * 0.999 < error < pca_error * 1.01  # PCA is the optimum: no linear map is better
    assert subspace_angles(weights(ae.decoder)[0].T, directions[:3].T).max() < 0.05
    assert subspace_angles(weights(ae.decoder)[0].T, directions[1:4].T).max() > 0.5


def variants():
    net = dict(shape=(8, 8, 1), code_size=4)
    dense = lambda **k: (mlp_encoder(**net, hidden=(6,), **k), mlp_decoder(**net, hidden=(6,)))
    colour = dict(shape=(8, 4, 3), filters=(2, 3), code_size=3)
    symbols = mlp_decoder(**net, hidden=(), params_per_value=3)
    return {
        "linear": lambda: Autoencoder(mlp_encoder(**net, hidden=()), mlp_decoder(**net, hidden=())),
        "sparse": lambda: Autoencoder(
            *dense(code_activation="sigmoid", dropout=0.2), likelihood=Bernoulli(), penalty=KLSparsity(0.1, rate=0.2)
        ),
        "tied": lambda: Autoencoder(
            mlp_encoder(**net, hidden=(6,)), penalty=L2(0.1), corruption=Mask(0.5, patch=2, seed=3)
        ),
        "colour": lambda: Autoencoder(
            conv_encoder(**colour), conv_decoder(**colour), likelihood=Gaussian(0.5, learned=True), penalty=L1(0.1),
            corruption=GaussianNoise(0.2),
        ),
        "k-sparse": lambda: Autoencoder(*dense(code_activation=TopK(2)), corruption=SaltAndPepper(0.2, seed=1)),
        "symbols": lambda: Autoencoder(mlp_encoder(**net, hidden=()), symbols, likelihood=Categorical(3)),
        "contractive": lambda: Autoencoder(
            mlp_encoder(**net, hidden=(6,), activation="tanh"), penalty=Contractive(0.1)
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", variants())
def test_a_saved_model_is_the_same_model(name, tmp_path, x, same):
    ae = variants()[name]()
    x = {"colour": np.tile(x[:, :, :4], 3), "symbols": np.round(2 * x)}.get(name, x)
    ae.compile(keras.optimizers.Adam(0.01))
    ae.fit(x, batch_size=30, verbose=0)
    if ae.penalty is not None:
        ae.penalty.weight.assign(0.25)
    ae.save(tmp_path / "ae.keras")
    again = keras.saving.load_model(tmp_path / "ae.keras")
    np.testing.assert_array_equal(ae.encode(x), again.encode(x))
    np.testing.assert_array_equal(ae.reconstruct(x), again.reconstruct(x))
    same(ae, again)  # with the optimizer's moments
    assert int(again.optimizer.iterations) == 2
    assert ae.evaluate(x) == pytest.approx(again.evaluate(x), rel=1e-6)
    assert again.tied == ae.tied
    assert ae.count_params() == again.count_params()
    for part in ("likelihood", "penalty", "corruption"):
        was, now = getattr(ae, part), getattr(again, part)
        assert type(was) is type(now)
        assert was is None or was.get_config() == now.get_config()
    if ae.penalty is not None:
        assert float(again.penalty.weight) == 0.25


def test_training_goes_on_after_loading_as_without_it(tmp_path, x, build, same):
    make = lambda: build(hidden=(6,), tied=True, penalty=L1(0.1), likelihood=Gaussian(0.5, learned=True),
                         optimizer=keras.optimizers.Adam(0.01))  # fmt: skip
    ae = make()
    ae.fit(x, batch_size=20, verbose=0)
    ae.save(tmp_path / "ae.keras")
    again = keras.saving.load_model(tmp_path / "ae.keras")
    for model in (ae, again):
        model.fit(x, batch_size=20, seed=1, verbose=0)
    same(ae, again)


def test_chunks_do_not_matter(build, x):
    ae = build(hidden=(6,), likelihood=Bernoulli())
    for f, values in ((ae.encode, x), (ae.reconstruct, x), (ae.decode, ae.encode(x))):
        np.testing.assert_allclose(f(values, batch_size=7), f(values), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(f(values[:1]), f(values)[:1], rtol=1e-5, atol=1e-6)


def test_decode_gives_the_mean_and_reconstruct_is_decode_of_encode(build, x):
    ae = build(hidden=(6,), likelihood=Bernoulli())
    out = ae.predict(x, verbose=0)
    np.testing.assert_allclose(out["codes"], ae.encode(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-out["params"])), ae.decode(out["codes"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ae.reconstruct(x), ae.decode(ae.encode(x)))
    symbols = build(likelihood=Categorical(3))
    np.testing.assert_allclose(symbols.decode(symbols.encode(x)).sum(axis=-1), np.ones_like(x), rtol=1e-5)
    assert ae.decode([[0.0, 0.0, 0.0]]).shape == (1, 8, 8, 1)


def test_a_corruption_is_for_the_input_of_training_alone(build, x):
    ae = build(corruption=Mask(1.0), optimizer=keras.optimizers.SGD(0.0))  # hides everything
    clean, blank = ae.reconstruct(x), ae.reconstruct(np.zeros_like(x))
    error = lambda a, b: ((a - b) ** 2).sum(axis=(1, 2, 3)).mean()
    assert ae.fit(x, batch_size=30, verbose=0).history["rec"][0] == pytest.approx(error(x, blank), rel=1e-5)
    assert ae.evaluate(x)["rec"] == pytest.approx(error(x, clean), rel=1e-5)
    assert ae.fit(x, 1 - x, batch_size=30, verbose=0).history["rec"][0] == pytest.approx(error(1 - x, blank), rel=1e-5)


def test_numbers_of_any_precision_and_layout_are_the_same_data(build, x, same):
    models = []
    for data in (x, x.astype("float64"), np.asfortranarray(x), x.tolist()):
        models.append(build(likelihood=Bernoulli()))
        models[-1].fit(data, data, validation_data=(data, data), batch_size=30, verbose=0)
        assert models[-1].evaluate(data, data) == models[0].evaluate(x)
        same(models[0], models[-1])


SMALL = dict(shape=(8, 8, 1), hidden=(), code_size=3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda e, d: Autoencoder(e, mlp_decoder((8, 8, 1), (), 4)), ValueError, r"\(3,\), the decoder wants \(4,\)"),
        (lambda e, d: Autoencoder(d, e), ValueError, "gives codes of .* Build both with the same code_size"),
        (lambda e, d: Autoencoder(e, mlp_decoder((8, 8, 3), (), 3)), ValueError, r"output \(8, 8, 1\), got \(8,"),
        (lambda e, d: Autoencoder(e, d, likelihood=Categorical(4)), ValueError, "Build it with .* params_per_value=4"),
        (lambda e, d: Autoencoder(e, d, likelihood=Bernoulli), TypeError, r"wants a Likelihood such as Bernoulli\(\)"),
        (lambda e, d: Autoencoder(e, d, penalty=0.1), TypeError, r"wants a Penalty such as L1\(0.01\), got 0.1"),
        (lambda e, d: Autoencoder(e, d, corruption=0.1), TypeError, "corruption wants a Layer such as GaussianNoise"),
        (lambda e, d: Autoencoder(None), TypeError, r"encoder wants a Model such as mlp_encoder\(.*, got None"),
        (lambda e, d: Autoencoder(e, "mirror"), TypeError, "decoder wants a Model such as .*, got 'mirror'"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(mlp_encoder(**SMALL), mlp_decoder(**SMALL))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda ae, x: ae.fit(x + 0.5), ValueError, r"wants pixels in \[0, 1\], got values from 0.5 to 1.5. Rescale"),
        (lambda ae, x: ae.fit(x * np.float32(1.0000002)), ValueError, "to 1.00000024"),
        (lambda ae, x: ae.fit(x, x - 1), ValueError, r"wants pixels in \[0, 1\], got values from -1 to 0"),
        (lambda ae, x: ae.fit(x, validation_data=2 * x), ValueError, "got values from 0 to 2"),
        (lambda ae, x: ae.evaluate(2 * x), ValueError, "got values from 0 to 2"),
        (lambda ae, x: ae.fit(x, x[:5]), ValueError, "wanted one target per input, got 60 inputs and 5 targets"),
        (lambda ae, x: ae.fit(x, np.arange(60)), TypeError, "y: what to reconstruct, not labels"),
        (lambda ae, x: ae.fit(x, np.arange(60.0)), ValueError, r"not labels\): wanted shape .*, got \(60,\)"),
        (lambda ae, x: ae.fit(x[:, :4]), ValueError, r"wanted shape \(n, 8, 8, 1\), got \(60, 4, 8, 1\)"),
        (lambda ae, x: ae.fit((x, x)), ValueError, r"got \(2, 60, 8, 8, 1\)"),
        (lambda ae, x: ae.encode(x[0]), ValueError, r"One example needs a batch axis too: x\[None\]"),
        (lambda ae, x: ae.encode(x[..., 0]), ValueError, r"The channel axis is missing: x\[..., None\]"),
        (lambda ae, x: ae.encode(x, batch_size=0), ValueError, "batch_size wants a whole number >= 1, got 0"),
        (lambda ae, x: ae.decode(x), ValueError, r"decode: wanted shape \(n, 3\), got \(60, 8, 8, 1\)"),
        (lambda ae, x: ae.decode([[0, 0, 0]]), TypeError, "Convert other numbers: x.astype"),
        (lambda ae, x: ae.evaluate(x, sample_weight=np.ones(60)), ValueError, "leave sample_weight out"),
        (lambda ae, x: ae.train_on_batch(x, x, sample_weight=np.ones(60)), ValueError, "leave sample_weight out"),
        (lambda ae, x: ae.fit(x, sample_weight=np.ones(60)), TypeError, "sample_weight"),
        (lambda ae, x: ae.evaluate(x, batch_size=-1), ValueError, "evaluate: batch_size wants .*, got -1"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_refused(use, error, message, build, x):
    with pytest.raises(error, match=message):
        use(build(likelihood=Bernoulli()), x)


@pytest.mark.parametrize("bad", [lambda x: x, lambda x: x * 100, lambda x: -np.round(x)])
def test_only_symbols_are_categorical(bad, build, x):
    with pytest.raises(ValueError, match="wants symbols, whole numbers from 0 to 2, got values from"):
        build(likelihood=Categorical(3)).fit(bad(x), verbose=0)
