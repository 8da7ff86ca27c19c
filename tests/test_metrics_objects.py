"""Measures of many objects against scikit-learn, brute force over matchings, loops over tracks, and laws."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, jaccard_score

from aecore import metrics_objects as mo
from aecore.sprites import films, sprites

RNG = np.random.default_rng(0)
TRUTH = sprites(25, count=(1, 4), seed=1).masks
FILMS = films(20, 6, count=(2, 4), crossing=0.5, passing=0.3, seed=2).masks


def spoilt(truth, share, labels=5, seed=0):
    """The labels in another order, a share of the pixels at random."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(truth.shape) < share
    return np.where(wrong, rng.integers(0, labels, truth.shape), rng.permutation(labels)[truth])


GUESSES = [spoilt(TRUTH, share, seed=i) for i, share in enumerate((0.0, 0.1, 0.5, 1.0))]


@pytest.mark.parametrize("guess", GUESSES)
def test_ari_is_scikit_learns(guess):
    wanted = [adjusted_rand_score(t.ravel(), g.ravel()) for t, g in zip(TRUTH, guess, strict=True)]
    np.testing.assert_allclose(mo.ari(TRUTH, guess), wanted, atol=1e-12)
    wanted = [adjusted_rand_score(t[t > 0], g[t > 0]) for t, g in zip(TRUTH, guess, strict=True)]
    np.testing.assert_allclose(mo.ari(TRUTH, guess, background=False), wanted, atol=1e-12)


def test_a_film_is_one_picture_of_all_its_frames():
    guess = spoilt(FILMS, 0.2)
    tall = [labels.reshape(20, -1, 32) for labels in (FILMS, guess)]
    for measure in (mo.ari, lambda *labels: mo.ari(*labels, background=False), mo.mbo):
        np.testing.assert_allclose(measure(FILMS, guess), measure(*tall))
    frames = FILMS.copy()
    frames[:, ::2] = (frames[:, ::2] + 1) % 5  # other numbers in every second frame: right frame by frame
    assert mo.ari(FILMS[:, 0], frames[:, 0]).min() == 1
    assert mo.ari(FILMS, frames).max() < 0.7


def test_of_pixels_that_say_nothing_ari_is_one():
    empty = np.zeros((1, 8, 8), int)
    one, pixel = empty.copy(), empty.copy()
    one[0, 2:6, 2:6] = 1
    pixel[0, 3, 3] = 1
    halves = np.arange(64).reshape(1, 8, 8) // 32
    assert mo.ari(empty, empty) == mo.ari(empty, empty + 3) == 1
    assert mo.ari(empty, halves, background=False) == 1  # no pixel counts
    assert mo.ari(pixel, halves, background=False) == 1  # one pixel counts
    assert mo.ari(one, halves, background=False) == 0  # one object, cut in two: scikit-learn's value
    assert mo.ari(one, empty, background=False) == 1
    assert mo.ari(one, empty) == 0
    assert mo.ari(np.zeros((1, 1, 1), int), np.ones((1, 1, 1), int)) == 1


def test_foreground_ari_does_not_see_what_is_done_to_the_ground_and_ari_does():
    smeared = np.where(TRUTH == 0, 1 + (np.arange(32) // 8) % 4, TRUTH)  # stripes of ground go to the objects
    np.testing.assert_allclose(mo.ari(TRUTH, smeared, background=False), 1)
    assert mo.ari(TRUTH, smeared).max() < 0.5
    assert mo.mbo(TRUTH, smeared).max() < 0.7
    merged = (TRUTH > 0).astype(int)[TRUTH.reshape(25, -1).max(axis=1) > 2]  # objects found, but as one
    truth = TRUTH[TRUTH.reshape(25, -1).max(axis=1) > 2]
    np.testing.assert_allclose(mo.ari(truth, merged, background=False), 0, atol=1e-12)
    assert np.median(mo.ari(truth, merged)) > 0.7


def best_by_brute_force(truth, guess):
    """The best of all ways to give each object of one picture a part of its own, or none."""
    objects, parts = [np.unique(labels) for labels in (truth[truth > 0], guess)]
    if not len(objects):
        return 1.0
    share = lambda i, j: jaccard_score((truth == i).ravel(), (guess == j).ravel())
    table = np.array([[share(i, j) for j in parts] + [0.0] * len(objects) for i in objects])
    ways = permutations(range(table.shape[1]), len(objects))
    return max(table[range(len(objects)), list(way)].mean() for way in ways)


@pytest.mark.parametrize("guess", GUESSES[:3])
def test_mbo_by_brute_force(guess):
    wanted = [best_by_brute_force(*pair) for pair in zip(TRUTH[:6], guess[:6], strict=True)]
    np.testing.assert_allclose(mo.mbo(TRUTH[:6], guess[:6]), wanted, atol=1e-12)


def test_mbo_where_parts_or_objects_are_missing():
    few = np.minimum(TRUTH, 1)  # two parts for up to four objects
    wanted = [best_by_brute_force(*pair) for pair in zip(TRUTH[:6], few[:6], strict=True)]
    np.testing.assert_allclose(mo.mbo(TRUTH[:6], few[:6]), wanted)
    empty, one = np.zeros((1, 8, 8), int), np.zeros((1, 8, 8), int)
    one[0, 2:6, 2:6] = 1
    assert mo.mbo(empty, one) == mo.mbo(empty, empty) == 1
    assert mo.mbo(one, empty) == 16 / 64  # the only part is the whole picture
    hidden = 2 * one  # object 1 has no pixel: it does not count
    assert mo.mbo(hidden, one) == 1
    pixel = np.zeros((1, 8, 8), int)
    pixel[0, 0, 0] = 1
    assert mo.mbo(pixel, pixel) == 1
    both = np.zeros((1, 4, 8), int)
    both[0, :, :4], both[0, :, 4:] = 1, 2
    assert mo.mbo(both, np.zeros_like(both)) == 0.25  # one part stands for one object: half of it, and nothing


@pytest.mark.parametrize("measure", [mo.ari, lambda *p: mo.ari(*p, background=False), mo.mbo, mo.identity])
def test_neither_the_order_of_slots_nor_that_of_objects_matters(measure):
    truth, guess = FILMS, spoilt(FILMS, 0.3)
    wanted = measure(truth, guess)
    np.testing.assert_allclose(measure(truth, np.array([4, 2, 7, 0, 3])[guess]), wanted)
    np.testing.assert_allclose(measure(np.array([0, 3, 4, 1, 2])[truth], guess), wanted)
    np.testing.assert_allclose(measure(truth[..., ::-1], guess[..., ::-1]), wanted)
    np.testing.assert_allclose(measure(truth, truth), 1)
    np.testing.assert_allclose(mo.ari(truth, guess), mo.ari(guess, truth))


# --- films --------------------------------------------------------------------------------------------


def kept_by_loops(truth, guess, seen):
    """Of every track that is seen twice: whether it keeps a slot of its own, and whether it is hidden in between."""
    slots = [{} for _ in range(5)]  # of the ground and four objects: frame to slot
    for i in range(5):
        most = max((frame == i).sum() for frame in truth)
        for t, frame in enumerate(truth):
            if (frame == i).any() and (frame == i).sum() >= seen * most:
                slots[i][t] = np.bincount(guess[t][frame == i]).argmax()
    for i in range(1, 5):
        if len(slots[i]) > 1:
            others = {slot for j in range(5) if j != i for slot in slots[j].values()}
            alone = len(set(slots[i].values())) == 1 and not set(slots[i].values()) & others
            yield alone, len(slots[i]) < max(slots[i]) - min(slots[i]) + 1


@pytest.mark.parametrize("seen", [0.01, 0.25, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.6, 0.9])
def test_identity_by_loops(seen, share):
    guess = spoilt(FILMS, share)
    swaps = RNG.random(20) < 0.4
    guess[swaps, 3:] = np.array([0, 2, 1, 3, 4])[guess[swaps, 3:]]
    tracks = [track for pair in zip(FILMS, guess, strict=True) for track in kept_by_loops(*pair, seen)]
    assert mo.identity(FILMS, guess, seen) == pytest.approx(np.mean([kept for kept, _ in tracks]))
    hidden = [kept for kept, hidden in tracks if hidden]
    assert hidden or seen < 0.1
    assert mo.identity(FILMS, guess, seen, hidden=True) == pytest.approx(np.mean(hidden or [1]))


def test_identity_of_tracks_that_one_can_count():
    truth = np.zeros((1, 3, 4, 8), int)
    truth[0, :, :2, :2], truth[0, :, 2:, 6:] = 1, 2
    assert mo.identity(truth, truth) == 1
    swapped = truth.copy()
    swapped[0, 2] = np.array([0, 2, 1])[truth[0, 2]]
    assert mo.identity(truth, swapped) == 0
    assert mo.identity(truth, np.zeros_like(truth)) == 0  # one slot for all is nobody's
    assert mo.identity(truth, (truth > 0).astype(int)) == 0  # nor is one for both objects
    half = truth.copy()
    half[0, 1][truth[0, 1] == 2] = 3
    assert mo.identity(truth, half) == 0.5
    gone = truth.copy()
    gone[0, 1][gone[0, 1] == 1] = 0
    assert mo.identity(gone, truth) == mo.identity(gone, truth, hidden=True) == 1
    assert mo.identity(gone, half) == 0.5
    assert mo.identity(gone, half, hidden=True) == 1  # the one that changes was never hidden
    assert mo.identity(truth[:, :2] * 0, truth[:, :2]) == 1
    once = truth.copy()
    once[0, 1:] = 0
    assert mo.identity(once, swapped) == 1  # seen once: no track


def test_consistency_by_loops():
    guess = spoilt(FILMS, 0.3)
    for labels in (FILMS, guess):
        wanted = []
        for film in labels:
            shares = []
            for here, there in pairwise(film):
                for i in set(np.unique(here)) | set(np.unique(there)):
                    shares.append(jaccard_score((here == i).ravel(), (there == i).ravel()))
            wanted.append(np.mean(shares))
        np.testing.assert_allclose(mo.consistency(labels), wanted)
    still = np.repeat(FILMS[:, :1], 4, axis=1)
    np.testing.assert_allclose(mo.consistency(still), 1)
    shuffled = np.stack([RNG.permutation(5)[film[0]] for film in FILMS for _ in range(4)]).reshape(20, 4, 32, 32)
    assert (mo.consistency(shuffled) < mo.consistency(still)).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mo.ari(TRUTH, TRUTH[:, :-1]), r"ari: .* differ in shape: \(25, 32, 32\) and \(25, 31, 32\)"),
        (lambda: mo.ari(TRUTH[0], TRUTH[0]), "batch axis"),
        (lambda: mo.ari(TRUTH, -1.0 * TRUTH), "labels >= 0"),
        (lambda: mo.ari(TRUTH, np.full(TRUTH.shape, 0.3)), "whole numbers"),
        (lambda: mo.mbo(FILMS[:0], FILMS[:0]), r"mbo: wanted labels \(n, h, w\) or films"),
        (lambda: mo.mbo(TRUTH, np.full(TRUTH.shape, np.nan)), "whole numbers"),
        (lambda: mo.identity(TRUTH, TRUTH), r"identity: wanted films \(n, t, h, w\) of two frames at least, got shape"),
        (lambda: mo.identity(FILMS[:, :1], FILMS[:, :1]), "two frames at least"),
        (lambda: mo.identity(FILMS, FILMS, seen=0), r"seen must be a share in \(0, 1\], got 0"),
        (lambda: mo.consistency(TRUTH), "consistency: wanted films"),
        (lambda: mo.consistency(FILMS[:, :0]), "consistency: wanted films"),
    ],
)
def test_labels_that_do_not_fit_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
