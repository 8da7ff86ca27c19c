"""The Python side of the figures of codes: ellipses, traversals, tokens. What they carry and what they refuse."""

import keras
import numpy as np
import pytest
from codes import small_vae, small_vq
from test_widgets import read

from aecore import export, widgets, widgets_codes
from aecore.distributions import MixturePrior
from aecore.quantisers import FSQ


def run(spec, buffer, x):
    """What a described network makes of one input, by loops in double precision."""
    for layer in spec["layers"]:
        if layer["kind"] == "embedding":
            x = read(buffer, layer["table"])[x.astype(int)]
        elif layer["kind"] == "conv":
            x = convolved(x, read(buffer, layer["kernel"]), read(buffer, layer["bias"]))
        elif layer["kind"] == "conv_transpose":
            x = scattered(x, read(buffer, layer["kernel"]), read(buffer, layer["bias"]))
        else:
            assert layer["kind"] == "activation"
            x = keras.ops.convert_to_numpy(keras.activations.get(layer["activation"])(keras.ops.convert_to_tensor(x)))
    return x


def convolved(x, kernel, bias):
    """Stride 1, the same size."""
    size, padded = len(kernel), np.pad(x, [(len(kernel) // 2,) * 2] * 2 + [(0, 0)])
    rows, columns = x.shape[:2]
    at = lambda i, j: np.einsum("yxc,yxcd->d", padded[i : i + size, j : j + size], kernel)
    return np.array([[at(i, j) for j in range(columns)] for i in range(rows)]) + bias


def scattered(x, kernel, bias):
    """Kernel 4, stride 2, the same padding."""
    full = np.zeros((2 * len(x) + 2, 2 * x.shape[1] + 2, kernel.shape[2]))
    for i, j in np.ndindex(*x.shape[:2]):
        full[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += kernel @ x[i, j]
    return full[1:-1, 1:-1] + bias


def test_the_plane_carries_what_the_encoder_says(x):
    vae = small_vae(2)
    q = vae.encode(x)
    plane = widgets.CodePlane(vae, q, np.arange(60) % 3, pictures=x)
    for name, values in {"codes": q.mean, "log_var": q.log_var}.items():
        np.testing.assert_allclose(read(plane.data, plane.spec[name]), values, atol=1e-4)
    np.testing.assert_allclose(read(plane.data, plane.spec["pictures"]), x, atol=0.5 / 255 + 1e-6)
    (low, high), reach = np.array(plane.spec["range"]), 2 * np.exp(q.log_var / 2)
    assert (low < (q.mean - reach).min(axis=0)).all()
    assert (high > (q.mean + reach).max(axis=0)).all()
    assert (low < -2).all()
    assert (high > 2).all()
    assert np.ptp(high - low) < 1e-6, "a circle of the prior is drawn as one"
    assert plane.spec["normal_prior"] is True


def test_only_the_normal_prior_has_circles(x):
    vae = small_vae(2, prior=MixturePrior(2, 3))
    assert widgets.CodePlane(vae, vae.encode(x), np.zeros(60)).spec["normal_prior"] is False
    plain = widgets.CodePlane(vae, vae.encode(x).mean, np.zeros(60))
    assert not {"log_var", "normal_prior", "pictures"} & set(plain.spec)


def test_activities_are_kl_divergences_and_sort_the_latents(x):
    vae = small_vae(4)
    mean, log_var = (np.asarray(part, "f8") for part in vae.encode(x))
    figure = widgets_codes.Traversals(vae, x, latents=3)
    grid = np.linspace(-12, 12, 20001)  # the integral of q log(q / p), by sums
    for j, activity in enumerate(figure.spec["activity"]):
        q = np.exp(-((grid - mean[:, j : j + 1]) ** 2) / np.exp(log_var[:, j : j + 1]) / 2)
        q /= q.sum(axis=1, keepdims=True)
        p = np.exp(-(grid**2) / 2)
        p /= p.sum()
        assert activity == pytest.approx(np.mean(np.sum(q * np.log(np.maximum(q, 1e-300) / p), axis=1)), rel=1e-3)
    order = figure.spec["order"]
    assert len(order) == 3
    assert sorted(figure.spec["activity"], reverse=True)[:3] == [figure.spec["activity"][j] for j in order]
    low, high = np.array(figure.spec["ranges"]).T
    assert (low <= -3).all()
    assert (low < mean[:10].min(axis=0)).all()
    assert (high > mean[:10].max(axis=0)).all()
    np.testing.assert_allclose(read(figure.data, figure.spec["log_var"]), log_var[:10], atol=1e-4)


def test_a_latent_that_does_not_move_is_inactive(x):
    vae = small_vae(3)
    kernel = vae.encoder.layers[-1].kernel
    values = keras.ops.convert_to_numpy(kernel)
    values = 5 * values
    values[:, [1, 4]] = 0  # mean and log variance of the second latent
    kernel.assign(values)
    figure = widgets_codes.Traversals(vae, x)
    assert figure.spec["activity"][1] == pytest.approx(0, abs=1e-6)
    assert figure.spec["order"][-1] == 1
    assert figure.spec["active"] == [True, False, True]


def test_an_autoencoder_is_traversed_by_variance(build, x):
    ae = build(hidden=(5,), code_size=4)
    figure = widgets_codes.Traversals(ae, x)
    np.testing.assert_allclose(figure.spec["activity"], ae.encode(x).var(axis=0), rtol=1e-5)
    assert "log_var" not in figure.spec


def test_token_patches_are_means_of_what_stands_in_their_place(x):
    model = small_vq()
    figure = widgets_codes.Tokens(model, x)
    tokens = model.encode(x)
    pictures, sums, counts = model.decode(tokens).clip(0, 1), np.zeros((9, 2, 2, 1)), np.zeros(9, int)
    raw = model.decode(tokens)
    for n, i, j in np.ndindex(*tokens.shape):
        sums[tokens[n, i, j]] += raw[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        counts[tokens[n, i, j]] += 1
    assert figure.spec["used"] == counts.tolist()
    assert pictures.shape == (60, 8, 8, 1)
    patches = read(figure.data, figure.spec["patches"])
    for token in range(9):
        alone = model.decode(np.full((1, 4, 4), token))[0, 4:6, 4:6]
        truth = sums[token] / counts[token] if counts[token] else alone
        np.testing.assert_allclose(patches[token], truth.clip(0, 1), atol=0.5 / 255 + 1e-5)
    assert np.array_equal(read(figure.data, figure.spec["tokens"]), tokens[:10])


@pytest.mark.parametrize("quantiser", [None, FSQ((3, 2, 4))], ids=["vq", "fsq"])
def test_an_exported_token_decoder_has_the_models_numbers(quantiser):
    model = small_vq(quantiser)
    buffer, k = export.Buffer(), model.quantiser.codes
    spec = export.token_decoder(model, buffer)
    assert spec["input"] == [4, 4]
    tokens = np.random.default_rng(0).integers(0, k, (3, 4, 4)).astype("int32")
    for grid, truth in zip(tokens, model.decode(tokens), strict=True):
        np.testing.assert_allclose(run(spec, buffer.bytes, grid), truth, atol=1e-3)


def test_figures_of_codes_refuse_what_does_not_fit(x):
    vae, model = small_vae(2), small_vq()
    q = vae.encode(x)
    with pytest.raises(ValueError, match="log_var"):
        widgets.CodePlane(vae, q._replace(log_var=q.log_var[:5]), np.zeros(60))
    with pytest.raises(ValueError, match="one for each code"):
        widgets.CodePlane(vae, q, np.zeros(60), pictures=x[:5])
    with pytest.raises(ValueError, match="condition"):
        widgets_codes.Traversals(small_vae(2, classes=3), x)
    with pytest.raises(ValueError, match="finite"):
        widgets.CodePlane(vae, q._replace(log_var=np.full((60, 2), np.nan)), np.zeros(60))
    with pytest.raises(ValueError, match="steps"):
        widgets_codes.Traversals(vae, x, steps=1)
    with pytest.raises(ValueError, match="shape"):
        widgets_codes.Tokens(model, x, samples=np.zeros((2, 3, 3), int))
    with pytest.raises(ValueError, match=r"0\.\.8"):
        widgets_codes.Tokens(model, x, samples=np.full((2, 4, 4), 9))
    with pytest.raises(ValueError, match="100"):
        widgets_codes.Tokens(model, x, samples=np.zeros((101, 4, 4), int))
    with pytest.raises(ValueError, match="1024"):
        widgets_codes.Tokens(small_vq(FSQ((8, 8, 8, 8))), x)
