"""The segmenter's energy against sums written out, its inference where the answer is known, and broken input."""

import keras
import numpy as np
import pytest

from aecore import VAE, Autoencoder, scenes
from aecore.appearance import ColourMixture, Logits
from aecore.corruption import Blobs
from aecore.dense import DenseCRF
from aecore.gos import Segmenter
from aecore.inference import CLIP, HINT
from aecore.kernels import gaussian_kernel
from aecore.metrics_masks import iou
from aecore.networks import mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli
from aecore.priors import FLAW, MeanShape

SIZE = 16
NET = dict(shape=(SIZE, SIZE, 1), hidden=(24,), activation="tanh")


@pytest.fixture(scope="module")
def data():
    """Pictures, (60, 16, 16, 3), and masks."""
    made = scenes.objects(60, size=SIZE, clutter=0.5, seed=3)
    return made.x, made.masks


@pytest.fixture(scope="module")
def prior(data):
    """A denoising autoencoder of the masks of the first 40."""
    model = Autoencoder(
        mlp_encoder(**NET, code_size=8), mlp_decoder(**NET, code_size=8), likelihood=Bernoulli(), corruption=Blobs(0.3)
    )
    model.compile(keras.optimizers.Adam(3e-3))
    Segmenter(model).fit(data[1][:40], epochs=15, copies=5)
    return model


@pytest.fixture(scope="module")
def segmenter(data, prior):
    return Segmenter(prior).fit(data[1][:40])


def none(sweeps=1):
    """A CRF without neighbours."""
    return DenseCRF(sweeps, bilateral=0.0)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_the_energy_is_the_sum_of_its_terms_as_written_out(data, segmenter, prior):
    x, y = data[0][40:43], data[1][40:43]
    hints = np.full(y.shape, -1)
    hints[:, 5:8, 5:8] = 1
    terms = segmenter.energy(x, y, hints=hints)
    log_p = ColourMixture().fit_predict(x, np.eye(2, dtype="float32")[y])
    kernel = np.asarray(gaussian_kernel(x))
    s = prior.reconstruct(y[..., None].astype("float32"))[..., 0]
    for b in range(3):
        own = np.take_along_axis(log_p[b], y[b][..., None].astype(int), axis=-1)[..., 0]
        psi = np.minimum(log_p[b].max(axis=-1) - own, CLIP).sum()
        np.testing.assert_allclose(terms["appearance"][b], 0.4 * psi, rtol=1e-3)
        labels = y[b].ravel()
        pairs = sum(kernel[b, i, j] for i in range(256) for j in range(i) if labels[i] != labels[j])
        np.testing.assert_allclose(terms["smoothness"][b], 2 * pairs, rtol=1e-3)
        odds = FLAW + (1 - 2 * FLAW) * np.where(y[b] == 1, s[b], 1 - s[b])
        np.testing.assert_allclose(terms["shape"][b], -0.6 * np.log(odds).sum(), rtol=1e-3)
        edge = np.ones((SIZE, SIZE), bool)
        edge[1:-1, 1:-1] = False
        broken = (edge & (y[b] == 1)).sum() + (y[b][5:8, 5:8] == 0).sum()
        assert terms["hints"][b] == HINT * broken
    assert (terms["latent"] == 0).all()
    np.testing.assert_allclose(terms["total"], sum(v for k, v in terms.items() if k != "total"), rtol=1e-6)


def test_the_expected_energy_of_q_is_the_mean_over_draws(data, segmenter):
    x, rng = data[0][40:42], np.random.default_rng(0)
    shape = MeanShape(data[1][:40])
    fixed = Segmenter(shape, appearance=Logits(lambda x: 3 * x[..., :1])).fit(data[1][:40])
    q = softmax(rng.normal(0, 2, (2, SIZE, SIZE, 2))).astype("float32")
    draws = [fixed.energy(x, (rng.random(q.shape[:3]) < q[..., 1]).astype(int)) for _ in range(300)]
    expected = fixed.energy(x, q)
    for name in ("appearance", "smoothness", "shape", "total"):
        values = np.array([d[name] for d in draws])
        error = values.std(axis=0) / 300**0.5
        assert (abs(values.mean(axis=0) - expected[name]) < 5 * error + 1e-3).all(), name


def test_a_round_without_neighbours_is_a_softmax_of_its_unaries(data, prior):
    x, y = data
    alone = Segmenter(prior, crf=none(), rounds=2, border=0).fit(y[:40])
    first, second = alone.course(x[40:44])
    mean = np.exp(MeanShape(y[:40]).log_s)
    np.testing.assert_allclose(first["prior"][0], mean, rtol=1e-5)
    shape = FLAW + (1 - 2 * FLAW) * prior.reconstruct(first["q"][..., 1:])
    np.testing.assert_allclose(second["prior"][..., 1:], shape, atol=1e-4)
    for r in (first, second):
        unary = 0.4 * r["appearance"] - 0.6 * np.log(r["prior"])
        np.testing.assert_allclose(r["unary"], unary, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(r["q"], softmax(-unary), atol=1e-4)
        minimum = -np.log(np.exp(-r["unary"].astype("float64")).sum(axis=-1)).sum(axis=(1, 2))  # -log Z, where F ends
        np.testing.assert_allclose(r["free_energy"], minimum, rtol=1e-4)


def test_weights_of_zero_leave_a_term_out(data, prior):
    x, y = data[0][40:44], data[1]
    silent = Segmenter(prior, appearance_weight=0, crf=none(), rounds=1, border=0).fit(y[:40])
    q = silent.predict_proba(x)
    np.testing.assert_allclose(q[0], softmax(0.6 * MeanShape(y[:40]).log_s), atol=1e-5)
    np.testing.assert_allclose(q[0], q[3], atol=1e-6)
    shapeless = Segmenter(prior, prior_weight=0, crf=none(), rounds=1, border=0).fit(y[:40])
    course = shapeless.course(x)[0]
    np.testing.assert_allclose(course["q"], softmax(-0.4 * course["appearance"]), atol=1e-5)


def test_a_higher_score_of_a_label_raises_its_share(data):
    """The sign of every term: what speaks for a label lowers its energy and raises its probability."""
    x, y = data[0][40:44], data[1]
    scores = lambda up: Logits(lambda x: np.full((*x.shape[:3], 1), up, "float32"))
    of = lambda **arguments: (
        Segmenter(appearance_weight=1.0, border=0, **arguments).fit(y[:40]).predict_proba(x)[..., 1]
    )
    assert (of(appearance=scores(1.0)) > of(appearance=scores(-1.0))).all()
    few, many = MeanShape(np.zeros((9, SIZE, SIZE), int)), MeanShape(np.ones((9, SIZE, SIZE), int))
    assert (of(appearance=scores(0), prior=many) > of(appearance=scores(0), prior=few)).all()
    plain = Segmenter(border=0).fit(y[:40])
    hints = np.full(y[40:44].shape, -1)
    hints[:, 8, 8] = 1
    object_here, hints[:, 8, 8] = plain.predict_proba(x, hints=hints)[:, 8, 8, 1], 0
    assert (object_here > 0.99).all()
    assert (plain.predict_proba(x, hints=hints)[:, 8, 8, 1] < 0.01).all()


def test_shape_raises_the_overlap_with_the_truth(data, segmenter):
    x, y = data
    score = lambda s: iou(y[40:], s.predict(x[40:])).mean()
    bare = Segmenter(prior_weight=0).fit(y[:40])
    assert score(segmenter) > score(bare) + 0.02


def test_labels_are_exchangeable(data):
    x, y = data[0][:20], data[1][:20].astype(int)
    three = np.where(y & (np.arange(SIZE) < 8), 2, y)
    swapped = np.array([0, 2, 1])[three]
    a, b = (Segmenter(labels=3, rounds=2).fit(masks[:12]).predict_proba(x[12:]) for masks in (three, swapped))
    np.testing.assert_allclose(a, b[..., [0, 2, 1]], atol=2e-3)
    assert (Segmenter(labels=3).fit(three[:12]).predict(x[12:]) == three[12:]).mean() > 0.7


def test_a_prior_of_three_labels(data):
    x, y = data[0][:20], data[1][:20].astype(int)
    three = np.where(y & (np.arange(SIZE) < 8), 2, y)
    net = {**NET, "shape": (SIZE, SIZE, 3)}
    model = VAE(mlp_encoder(**net, code_size=8), mlp_decoder(**net, code_size=4))
    model.compile(keras.optimizers.Adam(3e-3))
    for latent in ("project", "map"):
        segmenter = Segmenter(model, labels=3, latent=latent).fit(three[:12], epochs=10, copies=4)
        q = segmenter.predict_proba(x[12:])
        np.testing.assert_allclose(q.sum(axis=-1), 1, rtol=1e-4)
        assert (q.argmax(-1) == three[12:]).mean() > 0.7


def test_what_is_hidden_has_no_say(data, segmenter):
    x, y = data[0][40:44], data[1][40:44]
    known = np.ones(y.shape, bool)
    known[:, 4:10, 4:10] = False
    noise = np.random.default_rng(0).random(x.shape).astype("float32")
    a, b = (segmenter.predict_proba(np.where(known[..., None], x, other), known) for other in (noise, 1 - noise))
    np.testing.assert_allclose(a, b, atol=0.02)  # what no one sees is a thousandth of what the mixtures start from
    last = segmenter.course(x, known)[-1]
    np.testing.assert_allclose(last["q"][~known], softmax(0.6 * np.log(last["prior"][~known])), atol=1e-4)
    blind = segmenter.predict_proba(x, np.zeros_like(known))
    np.testing.assert_allclose(blind, np.broadcast_to(blind[:1], blind.shape), atol=1e-4)  # all get the same shape


def test_samples_without_neighbours_are_independent_tosses(data):
    x, y = data[0][40:42], data[1]
    plain = Segmenter(crf=none(), border=0, rounds=2).fit(y[:40])
    last = plain.course(x)[-1]
    drawn = plain.sample(x, 400, seed=1)
    assert drawn.shape == (400, 2, SIZE, SIZE)
    q = softmax(-last["unary"])[..., 1]  # one sweep from the unaries: exactly these
    z = (drawn.mean(axis=0) - q) / np.sqrt(q * (1 - q) / 400 + 1e-6)
    assert abs(z).max() < 5
    assert abs(z.mean()) < 0.2
    np.testing.assert_array_equal(drawn, plain.sample(x, 400, seed=1))
    assert (drawn != plain.sample(x, 400, seed=2)).any()


def test_fit_with_pictures_chooses_the_weights_that_do_best(data):
    x, y = data
    chooser = Segmenter(appearance_weight=0.0, prior_weight=9.0).fit(y[:50], x[:50])
    assert chooser.appearance_weight in (0.1, 0.2, 0.4, 0.8)
    assert chooser.prior_weight in (0.15, 0.3, 0.6, 1.2)
    held_out = np.random.default_rng(0).permutation(50)[:10]
    rest = np.setdiff1d(np.arange(50), held_out)
    score = lambda a, w: iou(
        y[held_out], Segmenter(appearance_weight=a, prior_weight=w).fit(y[rest]).predict(x[held_out])
    ).mean()
    best = score(chooser.appearance_weight, chooser.prior_weight)
    assert best >= max(score(0.4, 0.6), score(0.1, 1.2), score(0.8, 0.15)) - 1e-9


def test_pictures_alone_teach_a_mean_shape(data):
    x, y = data
    alone = Segmenter().fit(images=x)
    learnt, true = np.exp(alone.mean_shape.log_s[..., 1]), y.mean(axis=0)
    guess = Segmenter().fit(images=x, turns=1)
    distance = lambda s: abs(np.exp(s.mean_shape.log_s[..., 1]) - true).mean()
    assert np.corrcoef(learnt.ravel(), true.ravel())[0, 1] > 0.8
    assert distance(alone) < distance(guess) + 0.02
    assert iou(y, alone.predict(x)).mean() > 0.3


STRANGE = {
    "constant": np.full((2, SIZE, SIZE, 3), 0.4, "float32"),
    "black": np.zeros((2, SIZE, SIZE, 3), "float32"),
    "one channel": np.random.default_rng(0).random((2, SIZE, SIZE, 1), "float32"),
    "two colours": np.indices((2, SIZE, SIZE)).sum(axis=0)[..., None].repeat(3, -1).astype("float32") % 2,
    "one": np.random.default_rng(0).random((1, SIZE, SIZE, 3), "float32"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_pictures_give_finite_answers(name, data, segmenter):
    x = STRANGE[name]
    q = segmenter.predict_proba(x)
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=-1), 1, rtol=1e-4)
    empty = np.zeros(x.shape[:3], int)
    for labels in (empty, empty + 1, q):
        assert all(np.isfinite(v).all() for v in segmenter.energy(x, labels).values())
    assert np.isfinite(segmenter.predict_proba(x, np.zeros(x.shape[:3], bool))).all()


def test_empty_masks_teach_that_there_is_nothing(data):
    nothing = Segmenter().fit(np.zeros((30, SIZE, SIZE), int))
    assert nothing.predict(data[0][:4]).mean() < 0.05


X, Y = np.zeros((4, SIZE, SIZE, 3), "float32"), np.zeros((4, SIZE, SIZE), int)
FITTED = Segmenter().fit(Y)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Segmenter(latent="best"), 'latent must be "project" or "map"'),
        (lambda: Segmenter(prior_weight=-1), "prior_weight must be a finite number >= 0, got -1"),
        (lambda: Segmenter(appearance_weight=np.nan), "appearance_weight must be a finite number >= 0, got nan"),
        (lambda: Segmenter(rounds=0), "rounds wants a whole number >= 1, got 0"),
        (lambda: Segmenter(labels=1), "labels wants a whole number >= 2, got 1"),
        (lambda: Segmenter(border=-1), r"border must be a share of the side in \[0, 0.5\), got -1"),
        (lambda: Segmenter().predict(X), "knows no shape yet"),
        (lambda: Segmenter().fit(), "wanted masks, images, or both"),
        (lambda: Segmenter().fit(Y[:, :, :, None]), "the channel axis is one too many|channel axis"),
        (lambda: Segmenter().fit(Y + 255), "255"),
        (lambda: Segmenter().fit(Y + 2), "wanted labels from 0 to 1, got 2 to 2"),
        (lambda: Segmenter().fit(Y + 0.5), "whole numbers"),
        (lambda: Segmenter().fit(Y, X[:3]), "of the same n, h and w"),
        (lambda: Segmenter().fit(Y[:2], X[:2]), "leaves 0 to choose weights on"),
        (lambda: FITTED.predict(X + 2), r"wanted images in \[0, 1\], got 2 to 2"),
        (lambda: FITTED.predict(X * np.nan), "hold NaN or infinity"),
        (lambda: FITTED.predict(X[..., 0]), "wanted shape"),
        (lambda: FITTED.predict(X[:, :12]), "learnt at 16 x 16 pixels, the images have 12 x 16"),
        (lambda: FITTED.predict(X[:, :4, :4]), "8 x 8 pixels and more|learnt at"),
        (lambda: FITTED.predict(X, known=Y), "known wants booleans"),
        (lambda: FITTED.predict(X, known=Y[:3] > 0), "known wants booleans of shape"),
        (lambda: FITTED.predict(X, hints=Y + 2), "hints wants -1 to 1, got 2 to 2"),
        (lambda: FITTED.predict(X, hints=Y > 0), "hints wants whole numbers"),
        (lambda: FITTED.energy(X, Y[:2]), "want labels for each"),
        (lambda: FITTED.energy(X, Y + 3), "wanted labels from 0 to 1"),
        (lambda: FITTED.sample(X, 0), "n wants a whole number >= 1"),
    ],
)
def test_what_cannot_be_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_a_prior_of_another_size_or_kind_is_refused(prior):
    small = Segmenter(prior).fit(np.zeros((4, 24, 24), int))
    with pytest.raises(ValueError, match="the prior was learnt at 16 x 16 pixels, the images have 24 x 24"):
        small.predict(np.zeros((1, 24, 24, 3), "float32"))
    with pytest.raises(TypeError, match="a model with encode and decode"):
        Segmenter(keras.layers.Dense(2))
