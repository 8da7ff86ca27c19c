"""Quantisers against loops in NumPy and finite differences."""

import itertools

import keras
import numpy as np
import pytest
from discrete import nearest, normal, numpy, small
from keras import ops

from aecore import _backend
from aecore.networks import mlp_decoder
from aecore.objectives import sum_over_event
from aecore.quantisers import FSQ, VectorQuantiser

rng = np.random.default_rng(12)


@pytest.mark.parametrize("decay", [0.9, None])
def test_each_vector_gets_the_nearest_code(decay):
    quantiser = VectorQuantiser(7, 3, decay=decay, initializer=normal)
    z = rng.standard_normal((4, 2, 3, 3)).astype("float32")
    tokens = nearest(z, numpy(quantiser.codebook))
    out = {name: numpy(value) for name, value in quantiser(z).items()}
    np.testing.assert_array_equal(out["tokens"], tokens)
    np.testing.assert_array_equal(numpy(quantiser.tokens(z)), tokens)
    vectors = numpy(quantiser.codebook)[tokens]
    np.testing.assert_allclose(out["codes"], vectors, atol=1e-6)
    np.testing.assert_array_equal(numpy(quantiser.vectors(tokens)), vectors)
    squares = ((z - vectors) ** 2).sum(axis=(1, 2, 3))
    for term in quantiser.terms:
        np.testing.assert_allclose(out[term], squares, rtol=1e-5)
    assert set(out) == {"codes", "tokens", *quantiser.terms}


@pytest.mark.parametrize("quantiser", [VectorQuantiser(7, 3, initializer=normal), FSQ((3, 4, 2))])
def test_the_gradient_goes_straight_through(quantiser):
    """d loss / d z is the loss's slope at the quantised code, by finite differences of the decoder's path."""
    decoder = mlp_decoder((5,), (6,), 3, activation="tanh", seed=1)
    x = rng.standard_normal((4, 5)).astype("float32")
    z = rng.standard_normal((4, 3)).astype("float32")
    loss = lambda q: sum_over_event(ops.square(decoder(q) - x))[:, None]
    slope = numpy(_backend.input_jacobian(lambda v: loss(quantiser(v)["codes"]), ops.convert_to_tensor(z)))[:, 0]
    q = numpy(quantiser(z)["codes"])
    step, expected = 1e-2, np.empty_like(z)
    for j in range(3):
        e = step * np.eye(3, dtype="float32")[j]
        expected[:, j] = numpy(loss(q + e) - loss(q - e))[:, 0] / (2 * step)
    if isinstance(quantiser, FSQ):  # times the slope of q before it is rounded
        s = 1 / (1 + np.exp(-z))
        expected *= 2 * np.array([3, 4, 2]) / (np.array([3, 4, 2]) - 1) * s * (1 - s)
    np.testing.assert_allclose(slope, expected, rtol=2e-2, atol=2e-3)
    assert np.abs(slope).max() > 0.1


@pytest.mark.parametrize("decay", [0.9, None])
def test_each_term_moves_one_side_only(decay):
    """commit draws the vectors to their codes, and nothing else; codebook draws the codes to their vectors."""
    quantiser = VectorQuantiser(7, 3, decay=decay, initializer=normal)
    z = rng.standard_normal((5, 3)).astype("float32")
    tokens = nearest(z, numpy(quantiser.codebook))
    away = z - numpy(quantiser.codebook)[tokens]
    moved = [] if decay else [quantiser.moved]

    def slopes(term):
        def total(values):
            with keras.StatelessScope(state_mapping=list(zip(moved, values[1:], strict=True))):
                return ops.sum(quantiser(values[0])[term])

        start = [ops.convert_to_tensor(z), *(ops.convert_to_tensor(v.value) for v in moved)]
        found = _backend.input_gradient(total, start)[1]
        return [np.zeros(s.shape) if g is None else numpy(g) for g, s in zip(found, start, strict=True)]

    to_z, *to_codes = slopes("commit")
    np.testing.assert_allclose(to_z, 2 * away, rtol=1e-5)
    assert not any(slope.any() for slope in to_codes)
    if decay is None:
        to_z, to_codes = slopes("codebook")
        wanted = np.stack([-2 * away[tokens == i].sum(axis=0) for i in range(7)])
        np.testing.assert_allclose(to_codes, wanted, rtol=1e-5, atol=1e-6)
        assert not to_z.any()


def test_far_from_the_origin_the_nearest_code_is_still_the_nearest():
    z = (300 + 0.1 * rng.standard_normal((200, 8))).astype("float32")
    quantiser = VectorQuantiser(16, 8, initializer="zeros")
    quantiser.base.assign(z[:16])
    np.testing.assert_array_equal(numpy(quantiser.tokens(z)), nearest(z.astype("float64"), z[:16].astype("float64")))


def test_no_gradient_of_the_loss_reaches_a_codebook_that_follows_a_mean():
    assert not VectorQuantiser(7, 3).trainable_weights
    assert len(VectorQuantiser(7, 3, decay=None).trainable_weights) == 1


@pytest.mark.parametrize("fused", [None, True])
def test_the_codebook_follows_the_means(fused, x):
    """Three steps of one batch, against a loop over codes that keeps sums and counts apart (van den Oord, A.1)."""
    quantiser = VectorQuantiser(6, 2, decay=0.8, initializer=normal, revive=0.0)
    model = small(quantiser, optimizer=keras.optimizers.SGD(0.0), fused=fused)
    book, batch = numpy(model.quantiser.codebook).astype("float64"), x[:20]
    z = model.encode_batch(batch).reshape(-1, 2).astype("float64")
    counts = np.full(6, len(z) / 6)  # a fair share each, to begin with
    sums = counts[:, None] * book
    for _ in range(3):
        tokens = nearest(z, book)
        for i in range(6):
            counts[i] = 0.8 * counts[i] + 0.2 * (tokens == i).sum()
            sums[i] = 0.8 * sums[i] + 0.2 * z[tokens == i].sum(axis=0)
        book = sums / counts[:, None]
    start = numpy(model.quantiser.codebook)
    history = model.fit(batch, epochs=3, batch_size=20, verbose=0).history
    np.testing.assert_allclose(numpy(model.quantiser.codebook), book, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(model.quantiser.usage) * len(z) / 6, counts, rtol=1e-4)
    assert np.abs(book - start).max() > 0.1
    assert history["commit"][2] < history["commit"][0]
    before = numpy(model.quantiser.codebook)
    model.evaluate(x)
    np.testing.assert_array_equal(numpy(model.quantiser.codebook), before)  # only training moves it


@pytest.mark.parametrize("decay", [0.9, None])
def test_the_codebook_begins_among_the_data(decay, x):
    model = small(VectorQuantiser(16, 2, decay=decay, revive=0.0), optimizer=keras.optimizers.SGD(0.0))
    z = model.encode_batch(x[:20]).reshape(-1, 2)
    model.fit(x[:20], batch_size=20, verbose=0)
    # A code's vector and the mean of those that chose it: after one step it is a mix of the two.
    usage, book = numpy(model.quantiser.usage), numpy(model.quantiser.codebook)
    assert len(np.unique(book, axis=0)) == 16
    distance = np.sqrt(((book[:, None] - z) ** 2).sum(axis=-1).min(axis=1))
    assert np.all(distance < (1e-6 if decay is None else 0.3 * z.std()))
    assert usage.sum() == pytest.approx(16, rel=1e-5)
    other = small(VectorQuantiser(16, 2, decay=decay, revive=0.0, seed=5), optimizer=keras.optimizers.SGD(0.0))
    other.fit(x[:20], batch_size=20, verbose=0)
    assert np.abs(np.sort(numpy(other.quantiser.codebook), axis=0) - np.sort(book, axis=0)).max() > 1e-3


@pytest.mark.parametrize(("decay", "revive"), [(0.5, 0.2), (0.5, 0.0), (None, 0.2)])
def test_dead_codes_move_into_the_data_where_asked(decay, revive, x):
    far = keras.initializers.Constant(100.0)
    steps = 30 if decay else 240  # the usage of a code that follows a gradient falls by 1 % a step
    model = small(
        VectorQuantiser(8, 2, decay=decay, initializer=far, revive=revive), optimizer=keras.optimizers.SGD(0.0)
    )
    model.fit(x[:40], epochs=steps, batch_size=40, verbose=0)
    gone = (np.abs(numpy(model.quantiser.codebook)) > 50).all(axis=1).sum()
    used = len(np.unique(model.encode(x[:40])))
    # All codes were equal, so the first one was the nearest: the others have no share, and it has them all.
    assert (gone <= 1 and used >= 7) if revive else (gone == 7 and used == 1)


@pytest.mark.parametrize("fused", [None, True])
def test_fewer_vectors_than_codes_place_them_twice(fused, x):
    model = small(VectorQuantiser(50, 2), fused=fused)
    model.fit(x[:2], batch_size=2, verbose=0)  # 32 vectors
    assert np.isfinite(numpy(model.quantiser.codebook)).all()
    assert model.encode(x[:2]).max() < 50


@pytest.mark.parametrize("levels", [(2,), (3, 4, 2), (5, 5, 3)])
def test_fsq_knows_the_product_of_its_levels(levels):
    quantiser = FSQ(levels)
    assert quantiser.codes == np.prod(levels)
    tokens = np.arange(quantiser.codes)
    vectors = numpy(quantiser.vectors(tokens))
    assert len(np.unique(vectors, axis=0)) == quantiser.codes
    expected = [[2 * i / (n - 1) - 1 for i, n in zip(place[::-1], levels, strict=True)]
                for place in itertools.product(*map(range, levels[::-1]))]  # fmt: skip
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    z = np.stack(np.meshgrid(*[np.linspace(-8, 8, 41)] * len(levels)), axis=-1).astype("float32")
    out = quantiser(z)
    reached = numpy(out["tokens"])
    assert set(reached.ravel()) == set(tokens)  # each level can be reached
    np.testing.assert_array_equal(numpy(quantiser.tokens(z)), reached)
    np.testing.assert_allclose(numpy(out["codes"]), vectors[reached], atol=1e-6)
    again = np.float32(np.log((vectors + 1.02) / (1.02 - vectors)))  # a z that sits at each code, or beyond it
    np.testing.assert_array_equal(numpy(quantiser.tokens(again)), tokens)
    assert set(numpy(quantiser.tokens(np.float32([[-1e4] * len(levels), [1e4] * len(levels)])))) == {0, tokens[-1]}
    share = (
        np.unique(numpy(FSQ(levels[:1]).tokens(np.float32(rng.logistic(size=(9000, 1))))), return_counts=True)[1] / 9000
    )
    np.testing.assert_allclose(share, 1 / levels[0], atol=0.03)  # equal parts of a logistic distribution


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VectorQuantiser(0, 3), "codes wants a whole number >= 1, got 0"),
        (lambda: VectorQuantiser(4, 0), "size wants a whole number >= 1, got 0"),
        (lambda: VectorQuantiser(4, 2, decay=1.0), r"decay wants a number in \[0, 1\), got 1.0"),
        (lambda: VectorQuantiser(4, 2, commitment=-1), "commitment wants .*, got -1"),
        (lambda: VectorQuantiser(4, 2, revive=1), r"revive wants a number in \[0, 1\), got 1"),
        (lambda: FSQ((4, 1)), r"levels\[1\] wants a whole number >= 2, got 1"),
        (lambda: FSQ(()), "levels is empty"),
        (lambda: FSQ((8,) * 11), r"fewer than 2\*\*31 codes, got 8589934592"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
