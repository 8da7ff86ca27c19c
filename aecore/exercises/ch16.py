"""Exercises of chapter 16, Segmentation as inference."""

import itertools

import numpy as np
from scipy.ndimage import distance_transform_cdt, distance_transform_edt, gaussian_filter
from scipy.special import logsumexp, softmax
from skimage.segmentation import find_boundaries

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake

# --- ch16.energy ----------------------------------------------------------------------------------


def labelled(rng):
    """A labelling, its unaries, and the edges to the right and down."""
    for h, w, k in ((4, 6, 2), (5, 3, 3)):
        yield (
            rng.integers(0, k, (h, w)),
            rng.gamma(2, 1, (h, w, k)),
            rng.gamma(1, 1, (h, w - 1)),
            rng.gamma(1, 1, (h - 1, w)),
        )


def energy(y, u, right, down, unaries=1.0, pairs=1.0, differ=np.not_equal, ways=(True, True)):
    """Pixel by pixel and pair by pair, with a switch for each mistake."""
    total = unaries * sum(u[i, j, y[i, j]] for i, j in np.ndindex(y.shape))
    for edges, (a, b), wanted in zip((right, down), ((0, 1), (1, 0)), ways, strict=True):
        for i, j in np.ndindex(edges.shape):
            total += pairs * wanted * edges[i, j] * differ(int(y[i, j]), int(y[i + a, j + b]))
    return total


# --- ch16.enumerate -------------------------------------------------------------------------------


def tiny_fields(rng):
    """Unaries of n pixels, and what it costs that two of them differ."""
    for n, k in ((4, 2), (5, 3)):
        w = np.triu(rng.gamma(1, 1, (n, n)), 1)
        yield rng.normal(0, 1.5, (n, k)), w + w.T


def enumerated(u, w, sign=-1, pairs=0.5, single=False):
    """log Z and marginals, labelling by labelling."""
    n, k = u.shape
    scores, seen = [], []
    for y in itertools.product(range(k), repeat=n):
        cost = sum(u[i, y[i]] for i in range(n))
        cost += pairs * sum(w[i, j] for i in range(n) for j in range(n) if y[i] != y[j])
        scores.append(sign * cost)
        seen.append(np.eye(k)[list(y)])
    scores, seen = np.array(scores), np.array(seen)  # (labellings,), (labellings, n, k)
    log_z = logsumexp(scores)
    best = seen[scores.argmax()]
    return log_z, best if single else np.einsum("s,snk->nk", np.exp(scores - log_z), seen)


# --- ch16.sweep -----------------------------------------------------------------------------------


def beliefs(rng):
    for n, k in ((8, 2), (6, 4)):
        w = np.triu(rng.gamma(1, 0.5, (n, n)), 1)
        yield softmax(rng.normal(0, 1, (n, k)), axis=1), rng.normal(0, 1.5, (n, k)), w + w.T, rng.uniform(0.2, 0.6)


def swept(q, u, w, damping, sign=1, unaries=-1, kept=None, axis=1, by_turns=False):
    """One sweep of mean field with a switch for each mistake."""
    new = q.copy()
    for i in range(len(q)):
        heard = sum(w[i, j] * (new if by_turns else q)[j] for j in range(len(q)))
        new[i] = np.exp(unaries * u[i] + sign * heard)
        if axis == 1:
            new[i] /= new[i].sum()
    if axis == 0:
        new = new / new.sum(axis=0)
    kept = damping if kept is None else kept
    return kept * q + (1 - kept) * new


# --- ch16.outline ---------------------------------------------------------------------------------


def outlines(rng):
    """Two blobs that overlap in part, with ground around them, and a tolerance in pixels."""
    for tolerance in (1.0, 2.0, 3.0):
        noise = rng.normal(0, 1, (2, 40, 44))
        noise[1] += noise[0]
        masks = gaussian_filter(noise, (0, 3, 3)) > 0
        masks[:, [0, -1]] = masks[:, :, [0, -1]] = False
        yield masks[0], masks[1], tolerance


def boundary_f(truth, mask, tolerance, mode="inner", mean="harmonic", part=None, distance=distance_transform_edt):
    """By the distance of every boundary pixel to the nearest of the other boundary."""
    edges = [find_boundaries(m, connectivity=1, mode=mode) for m in (truth, mask)]
    recall, precision = ((distance(~edges[1 - i])[edges[i]] <= tolerance).mean() for i in (0, 1))
    if part is not None:
        return (precision, recall)[part]
    return 2 * precision * recall / (precision + recall) if mean == "harmonic" else (precision + recall) / 2


def dice_of_outlines(truth, mask, tolerance):
    a, b = (find_boundaries(m, connectivity=1, mode="inner") for m in (truth, mask))
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def in_square(truth, mask, tolerance):
    """The tolerance as a square of pixels in place of a disc."""
    return boundary_f(truth, mask, tolerance, distance=lambda m: distance_transform_cdt(m, "chessboard"))


EXERCISES = (
    Choice(
        name="ch16.temperature",
        points=1,
        section="Neighbours",
        wants="the letter of one option, in quotes",
        hints=(
            "Which labelling has the smallest of some numbers, and which the smallest of the same numbers doubled?",
            "P(y) / P(y') = exp(E(y') - E(y)). What does doubling do to this ratio?",
        ),
        question="All unaries and all edges of a conditional random field are multiplied by 2, so that every labelling "
        "costs twice as much. What happens?",
        right="the labelling of lowest energy stays, and the probabilities move towards it",
        wrong={
            "nothing: Z is doubled too, and the factor cancels": "Z is a sum of exponentials. The factor stands in the "
            "exponent, where it squares every term.",
            "the labelling of lowest energy becomes smoother, because edges are stronger": "Edges are stronger, and "
            "unaries too. The order of the labellings is that of their energies, and doubling keeps an order.",
            "the labelling of lowest energy stays, and the probabilities become more equal": "The ratio of two "
            "probabilities is exp of the difference of their energies. The differences have grown.",
        },
        after="Such a factor is called an inverse temperature. The cut does not feel it; mean field and marginals do.",
    ),
    Function(
        name="ch16.energy",
        points=2,
        section="Neighbours",
        wants="a function of labels, (h, w), unaries, (h, w, k), and the edges right, (h, w - 1), and down, (h - 1, w), that "
        "returns one number",
        hints=(
            "Two sums: one over pixels, one over pairs of neighbours.",
            "np.take_along_axis(unary, labels[..., None], axis=-1) picks each pixel's own cost.",
            "labels[:, 1:] != labels[:, :-1] has the shape of `right`.",
        ),
        cases=labelled,
        truth=energy,
        mistakes=(
            Mistake(
                "Pairs that agree are charged, and those that differ are not: this field likes noise.",
                gives(lambda *case: energy(*case, differ=np.equal)),
                "The bracket [y_i ≠ y_j] is 1 where they differ.",
            ),
            Mistake("This is the score, the energy with its sign turned.", gives(lambda *case: -energy(*case))),
            Mistake(
                "Pairs that differ lower this energy: they count with a minus.",
                gives(lambda *case: energy(*case, pairs=-1.0)),
            ),
            Mistake(
                "Every pair is counted twice, from both of its ends.",
                gives(lambda *case: energy(*case, pairs=2.0)),
                "`right` and `down` name each pair once.",
            ),
            Mistake("The unaries are missing.", gives(lambda *case: energy(*case, unaries=0.0))),
            Mistake(
                "Only the neighbours to the right are counted.", gives(lambda *case: energy(*case, ways=(True, False)))
            ),
            Mistake("Only the neighbours below are counted.", gives(lambda *case: energy(*case, ways=(False, True)))),
            Mistake(
                "Labels are names, not quantities: 0 and 2 do not differ more than 0 and 1.",
                gives(lambda *case: energy(*case, differ=lambda a, b: abs(a - b))),
            ),
        ),
    ),
    Function(
        name="ch16.enumerate",
        points=3,
        section="Neighbours",
        wants="a function of unaries, (n, k), and a symmetric matrix of what differing costs, (n, n), that returns log Z and the "
        "marginals, (n, k)",
        hints=(
            "itertools.product(range(k), repeat=n) visits all labellings.",
            "P(y) = exp(-E(y)) / Z. Collect the energies first, then sum.",
            "The marginal of pixel i and label l adds up the probabilities of all labellings with y_i = l.",
        ),
        cases=tiny_fields,
        truth=enumerated,
        mistakes=(
            Mistake(
                "exp(+E): the worst labelling has become the likeliest.",
                gives(lambda u, w: enumerated(u, w, sign=1)),
                "An energy is low where things are good.",
            ),
            Mistake(
                "Each pair is charged twice: the matrix is symmetric, and holds it at (i, j) and at (j, i).",
                gives(lambda u, w: enumerated(u, w, pairs=1.0)),
            ),
            Mistake(
                "The edges are left out: these are the marginals of independent pixels.",
                gives(lambda u, w: enumerated(u, w, pairs=0.0)),
            ),
            Mistake(
                "This is Z. Its logarithm was asked for.",
                gives(lambda u, w: (np.exp(enumerated(u, w)[0]), enumerated(u, w)[1])),
            ),
            Mistake("This is -log Z.", gives(lambda u, w: (-enumerated(u, w)[0], enumerated(u, w)[1]))),
            Mistake(
                "This is the single best labelling. A marginal sums over all.",
                gives(lambda u, w: enumerated(u, w, single=True)),
            ),
        ),
        after="You now have an oracle: compare any approximation with it, as the chapter does.",
    ),
    Function(
        name="ch16.sweep",
        points=3,
        section="Mean field",
        wants="a function of q, (n, k), unaries, (n, k), a symmetric matrix with zero diagonal, (n, n), and damping, that returns "
        "the new q, (n, k)",
        hints=(
            "What all pixels hear from all others is one product of matrices.",
            "A softmax over the labels, of minus the unaries plus what was heard.",
            "Damping keeps that share of the old q.",
        ),
        cases=beliefs,
        truth=swept,
        mistakes=(
            Mistake(
                "Neighbours push away instead of pulling: a label that they like has become less likely.",
                gives(lambda *case: swept(*case, sign=-1)),
                "The cost is w_ij (1 - q_j(l)), and the 1 cancels.",
            ),
            Mistake(
                "The unary has the wrong sign: it is a cost, and a label that costs more is less likely.",
                gives(lambda *case: swept(*case, unaries=1)),
            ),
            Mistake("The damping is left out.", gives(lambda *case: swept(*case, kept=0.0))),
            Mistake(
                "The new q is kept with the share that belongs to the old one.",
                gives(lambda q, u, w, damping: swept(q, u, w, damping, kept=1 - damping)),
            ),
            Mistake(
                "The softmax runs over the pixels. At each pixel the labels have to sum to one.",
                gives(lambda *case: swept(*case, axis=0)),
            ),
            Mistake(
                "Pixels that come later hear the new opinions of the earlier ones. Here all hear the old ones.",
                gives(lambda *case: swept(*case, by_turns=True)),
                "That lowers the free energy more surely, and is not what was asked for.",
            ),
        ),
    ),
    Function(
        name="ch16.outline",
        points=3,
        section="How good is a mask?",
        wants="a function of two masks, (h, w) bool, and a tolerance in pixels, that returns one number, the boundary F",
        hints=(
            "First the boundaries: object pixels with a neighbour, of four, that is not object.",
            "distance_transform_edt(~edge) holds the distance of every pixel to the nearest pixel of `edge`.",
            "Precision: the share of predicted boundary pixels whose distance to the true boundary is at most the tolerance.",
        ),
        cases=outlines,
        truth=boundary_f,
        mistakes=(
            Mistake(
                "This is the precision: what the true outline has more is not missed.",
                gives(lambda *case: boundary_f(*case, part=0)),
            ),
            Mistake(
                "This is the recall: what the predicted outline has more is not missed.",
                gives(lambda *case: boundary_f(*case, part=1)),
            ),
            Mistake(
                "This is the plain mean of precision and recall. F is 2PR / (P + R).",
                gives(lambda *case: boundary_f(*case, mean="plain")),
            ),
            Mistake("The tolerance is not used: only pixels in the same place count.", gives(dice_of_outlines)),
            Mistake(
                "The boundary is two pixels wide: the ground's side of it is in it too.",
                gives(lambda *case: boundary_f(*case, mode="thick")),
                "A boundary pixel belongs to the object.",
            ),
            Mistake(
                "The boundary lies outside of the object. Its pixels belong to the object.",
                gives(lambda *case: boundary_f(*case, mode="outer")),
            ),
            Mistake(
                "The tolerance is a square: diagonal steps are counted as long as straight ones.", gives(in_square)
            ),
        ),
    ),
)
