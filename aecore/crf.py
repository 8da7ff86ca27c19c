"""Conditional random fields on the grid of pixels: unaries, edges, exact cuts, mean field, brute force as an oracle.

Everything here is NumPy, and lower energy is better:

    P(y | x) = exp(-E(y; x)) / Z(x),    E(y; x) = sum_i u_i(y_i) + sum_(i, j neighbours) w_ij [y_i != y_j]

Labels y are whole numbers 0..l-1, (n, h, w), 0 is the background; unaries u are (n, h, w, l), nats. The field in which
every pixel is every other one's neighbour is in `dense`.
"""

from itertools import count
from typing import NamedTuple

import numpy as np

STATES = 2**20  # labellings that brute force visits at most


def unary(probabilities, weight=1.0, floor=1e-6):
    """What each label of a pixel costs, from any map of probabilities: u = -weight * log p.

    Args:
        probabilities: (..., l), >= 0; they need not sum to one. Below `floor` they are taken for it.
        weight: a < 1 where pixels are not independent of their neighbours, as the sum over them supposes.
        floor: > 0; no pixel costs more than -weight * log(floor).
    Returns: u, float32, (..., l), nats; lower is likelier.
    Raises: ValueError where a probability is negative or not finite. Chapter 16.
    """
    p = np.asarray(probabilities, "float64")
    if not p.size or not np.all(np.isfinite(p)) or p.min() < 0:
        raise ValueError("unary: wanted probabilities, finite and >= 0, of shape (..., l); got other values or none.")
    return (-weight * np.log(np.maximum(p, floor))).astype("float32")


class Edges(NamedTuple):
    """What it costs to cut between neighbours: right, (n, h, w - 1), and down, (n, h - 1, w), >= 0, nats."""

    right: np.ndarray
    down: np.ndarray


def edges(pictures, weight, contrast=None):
    """Edges that are cheap to cut where the colour changes.

        w_ij = weight * exp(-|c_i - c_j|^2 / (2 contrast))

    Args:
        pictures: (n, h, w, c).
        weight: what a cut between two equal colours costs, >= 0, nats.
        contrast: the squared difference at which that has fallen to exp(-1/2), > 0; inf gives every edge the same
            weight. None takes each picture's own mean over all its edges; where that is 0, in a picture of one
            colour, every edge gets the full weight.
    Returns: Edges.
    Source: Boykov and Jolly 2001; the contrast as in GrabCut, Rother et al. 2004, equation 5. Differs: 4 neighbours.
        Chapter 16.
    """
    x = _finite("edges", "pictures of shape (n, h, w, c)", pictures, 4)
    if not 0 <= weight < np.inf or (contrast is not None and not contrast > 0):
        raise ValueError(f"edges: wanted a finite weight >= 0 and a contrast > 0, got {weight} and {contrast}.")
    right, down = (np.sum(np.diff(x, axis=axis) ** 2, axis=-1) for axis in (2, 1))
    if contrast is None:
        pairs = max(right[0].size + down[0].size, 1)
        contrast = (right.sum((1, 2)) + down.sum((1, 2)))[:, None, None] / pairs
    fall = lambda d: weight * np.exp(-d / (2 * np.where(contrast > 0, contrast, 1)))
    return Edges(fall(right), fall(down))


def energy(labels, unary, edges):
    """E(y; x) of labellings: what the unaries and the cut edges cost together. Lower is better.

    Args: labels, (n, h, w), whole numbers below l; unary, (n, h, w, l); edges, an Edges.
    Returns: (n,), nats. Chapter 16.
    """
    u, edges = _field("energy", unary, edges)
    y = np.asarray(labels)
    if y.shape != u.shape[:3] or y.min() < 0 or y.max() >= u.shape[3]:
        raise ValueError(f"energy: wanted labels of shape {u.shape[:3]} from 0 to {u.shape[3] - 1}, got {y.shape}.")
    data = np.take_along_axis(u, y[..., None].astype(int), axis=3).sum((1, 2, 3))
    cut = lambda w, axis: np.sum(w * (np.diff(y.astype(int), axis=axis) != 0), (1, 2))
    return data + cut(edges.right, 2) + cut(edges.down, 1)


def graph_cut(unary, edges):
    """The labelling of lowest energy, by cutting a graph in two.

    With two labels the cut is the exact minimum. With more, every label in turn is offered to all pixels at once, the
    best such move is exact, and this goes on until no move helps (alpha-expansion): the energy is then at most twice
    the lowest one's.

    Args: unary, (n, h, w, l), any finite numbers; edges, an Edges.
    Returns: labels, int32, (n, h, w).
    Source: Greig et al. 1989; Boykov et al. 2001, section 5; the graph by Kolmogorov and Zabih 2004. Chapter 16.
    """
    u, edges = _field("graph_cut", unary, edges)
    parts = zip(u, edges.right, edges.down, strict=True)
    return np.array([_cut(*part) for part in parts], "int32").reshape(u.shape[:3])


def _cut(u, right, down):
    h, w, n_labels = u.shape
    ids = np.arange(h * w).reshape(h, w)
    i, j = (np.concatenate([a.ravel(), b.ravel()]) for a, b in ((ids[:, :-1], ids[:-1]), (ids[:, 1:], ids[1:])))
    weight, u = np.concatenate([right.ravel(), down.ravel()]), u.reshape(h * w, n_labels)
    cost = lambda y: u[ids.ravel(), y].sum() + weight[y[i] != y[j]].sum()
    if n_labels <= 2:
        return _expanded(np.zeros(h * w, int), n_labels - 1, u, i, j, weight).reshape(h, w)
    y = u.argmin(1)
    lowest, unmoved = cost(y), 0
    for alpha in count():
        moved = _expanded(y, alpha % n_labels, u, i, j, weight)
        if cost(moved) < lowest:
            y, lowest, unmoved = moved, cost(moved), 0
        else:
            unmoved += 1
        if unmoved == n_labels:
            return y.reshape(h, w)
    return None


def _expanded(y, alpha, u, i, j, weight):
    """The best labelling in which each pixel either keeps its label (x = 0) or takes alpha (x = 1)."""
    import maxflow

    # Of a pair: a, b, c, 0 for (x_i, x_j) = (0, 0), (0, 1), (1, 0), (1, 1)
    #     = a + (c - a) x_i - c x_j + (b + c - a) (1 - x_i) x_j
    a, b, c = weight * (y[i] != y[j]), weight * (y[i] != alpha), weight * (y[j] != alpha)
    take = u[:, alpha] - u[np.arange(len(y)), y]  # what x = 1 costs more than x = 0
    take += np.bincount(i, c - a, len(y)) - np.bincount(j, c, len(y))
    graph = maxflow.GraphFloat(len(y), len(i))
    nodes = graph.add_nodes(len(y))
    graph.add_edges(i, j, b + c - a, np.zeros(len(i)))
    graph.add_grid_tedges(nodes, np.maximum(take, 0), np.maximum(-take, 0))
    graph.maxflow()
    return np.where(graph.get_grid_segments(nodes), alpha, y)


def mean_field(unary, edges, sweeps=10, chequered=True, damping=0.0):
    """Approximate the marginals of a grid CRF by independent pixels, q.

        q_i(l)  proportional to  exp( -u_i(l) + sum_j w_ij q_j(l) )

    Args:
        unary: (n, h, w, l); edges, an Edges.
        sweeps: how often every pixel is renewed.
        chequered: renew first the black squares of a chequerboard, then the white ones. No two of a colour are
            neighbours, so that the free energy falls with every half sweep. False renews all at once: they may then
            swing to and fro for ever where edges are strong.
        damping: how much of the old q is kept, in [0, 1).
    Returns: q, (sweeps + 1, n, h, w, l), the first from the unaries alone; sums to one over l. Chapter 16.
    """
    u, edges = _field("mean_field", unary, edges)
    if not 0 <= damping < 1 or sweeps < 0:
        raise ValueError(f"mean_field: wanted damping in [0, 1) and sweeps >= 0, got {damping} and {sweeps}.")
    black = np.indices(u.shape[1:3]).sum(0)[..., None] % 2 == 0
    q = _softmax(-u)
    course = [q]
    for _ in range(sweeps):
        for squares in (black, ~black) if chequered else (True,):
            new = damping * q + (1 - damping) * _softmax(_messages(q, edges) - u)
            q = np.where(squares, new, q)
        course.append(q)
    return np.stack(course)


def free_energy(q, unary, edges):
    """F(q) = E_q[E] - H(q): how far independent pixels are from the field, KL(q || P) = F + log Z. Lower is better.

    Args: q, (n, h, w, l), sums to one over l; unary; edges, an Edges.
    Returns: (n,), nats, never below -log Z. Chapter 16.
    """
    u, edges = _field("free_energy", unary, edges)
    q = np.asarray(q, "float64")
    pair = np.sum(edges.right, (1, 2)) + np.sum(edges.down, (1, 2)) - np.sum(q * _messages(q, edges), (1, 2, 3)) / 2
    return np.sum(q * u, (1, 2, 3)) + pair + np.sum(q * np.log(np.where(q > 0, q, 1)), (1, 2, 3))


def _messages(q, edges):
    """sum_j w_ij q_j(l)."""
    right, down = edges.right[..., None], edges.down[..., None]
    m = np.zeros_like(q)
    m[:, :, :-1] += right * q[:, :, 1:]
    m[:, :, 1:] += right * q[:, :, :-1]
    m[:, :-1] += down * q[:, 1:]
    m[:, 1:] += down * q[:, :-1]
    return m


def pairwise_matrix(edges):
    """The edges as a symmetric matrix with zero diagonal, pixels in rows from the top: (n, h w, h w)."""
    n, h, w = len(edges.right), edges.right.shape[1], edges.down.shape[2]
    ids = np.arange(h * w).reshape(h, w)
    matrix = np.zeros((n, h * w, h * w))
    matrix[:, ids[:, :-1].ravel(), ids[:, 1:].ravel()] = edges.right.reshape(n, -1)
    matrix[:, ids[:-1].ravel(), ids[1:].ravel()] = edges.down.reshape(n, -1)
    return matrix + matrix.transpose(0, 2, 1)


class Exact(NamedTuple):
    """What a field says, exactly: log_z; marginals, (h, w, l); labels, (h, w), of lowest energy. See `brute_force`."""

    log_z: float
    marginals: np.ndarray
    labels: np.ndarray


def brute_force(unary, pairwise):
    """Visit every labelling of one tiny picture: the truth that other methods are held to.

    Args:
        unary: (h, w, l), with l^(h w) <= 2^20.
        pairwise: what it costs that pixels i and j differ, symmetric, (h w, h w); of `pairwise_matrix` or
            `dense.gaussian_kernel`.
    Returns: Exact.
    Raises: ValueError where there are too many labellings. Chapter 16.
    """
    u = _finite("brute_force", "unaries of shape (h, w, l)", unary, 3)
    h, w, n_labels = u.shape
    k = _finite("brute_force", "a matrix of shape (h w, h w)", pairwise, 2)
    if n_labels ** (h * w) > STATES:
        raise ValueError(
            f"brute_force: {n_labels} labels on {h} x {w} pixels are {n_labels ** (h * w):.2g} labellings, "
            f"wanted at most {STATES}: take a smaller picture, or `graph_cut` and `mean_field`."
        )
    if k.shape != (h * w, h * w) or not np.allclose(k, k.T):
        raise ValueError(f"brute_force: wanted a symmetric matrix of shape {(h * w, h * w)}, got {k.shape}.")
    states = np.stack(np.unravel_index(np.arange(n_labels ** (h * w)), (n_labels,) * (h * w)), axis=1)
    e = np.sum(u.reshape(h * w, n_labels)[np.arange(h * w), states], axis=1)
    for i, j in zip(*np.nonzero(np.triu(k, 1)), strict=True):
        e += k[i, j] * (states[:, i] != states[:, j])
    score = np.exp(e.min() - e)
    p = score / score.sum()
    marginals = np.stack([(p[:, None] * (states == label)).sum(0) for label in range(n_labels)], axis=1)
    return Exact(
        float(np.log(score.sum()) - e.min()),
        marginals.reshape(u.shape),
        states[e.argmin()].reshape(h, w).astype("int32"),
    )


def _softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def _finite(name, wanted, array, dims):
    a = np.asarray(array, "float64")
    if a.ndim != dims or not a.size:
        raise ValueError(f"{name}: wanted {wanted}, got an array of shape {a.shape}.")
    if not np.all(np.isfinite(a)):
        raise ValueError(f"{name}: wanted finite numbers, got nan or inf.")
    return a


def _field(name, unary, edges):
    u = _finite(name, "unaries of shape (n, h, w, l)", unary, 4)
    n, h, w, _ = u.shape
    right, down = (np.asarray(e, "float64") for e in edges)
    if right.shape != (n, h, w - 1) or down.shape != (n, h - 1, w):
        raise ValueError(
            f"{name}: unaries of {n} pictures of {h} x {w} want edges of shapes {(n, h, w - 1)} and {(n, h - 1, w)}, "
            f"got {right.shape} and {down.shape}."
        )
    if not (np.all(right >= 0) and np.all(down >= 0) and np.all(np.isfinite(right)) and np.all(np.isfinite(down))):
        raise ValueError(f"{name}: wanted finite edges >= 0: a field that pulls neighbours apart has no exact cut.")
    return u, Edges(right, down)
