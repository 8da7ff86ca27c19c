"""Answers to the exercises of chapter 1."""

import keras
import numpy as np
from sklearn import decomposition

from aecore.exercises import EXERCISES
from answers import Answers


def by_sklearn(x, d):
    pca = decomposition.PCA(d).fit(x)
    return pca.inverse_transform(pca.transform(x))


def by_eigh(x, d):
    centred = x - x.mean(axis=0)
    V = np.linalg.eigh(centred.T @ centred)[1][:, -d:]
    return centred @ (V @ V.T) + x.mean(axis=0)


def by_svd(x, d, axis=0, centre=True, back=True, last=False, standardise=False):
    """PCA with a switch for each mistake."""
    mean = x.mean(axis=axis, keepdims=True) if centre else 0
    scale = x.std(axis=0) if standardise else 1
    U, S, Vt = np.linalg.svd((x - mean) / scale, full_matrices=False)
    part = slice(-d, None) if last else slice(d)
    return (mean if back else 0) + (U[:, part] * S[part] @ Vt[part]) * scale


def mistaken(**switches):
    return lambda x, d: by_svd(x, d, **switches)


def by_tensors(X, E, G):
    """The slopes from the derivative of the trace, in tensors."""
    X, E, G = (keras.ops.cast(a, "float32") for a in (X, E, G))
    t, n = keras.ops.transpose, X.shape[0]
    C = t(X) @ X
    return 2 / n * (C @ E @ G - C) @ t(G), 2 / n * t(E) @ (C @ E @ G - C)


def by_einsum(X, E, G):
    R = X @ E @ G - X
    return 2 * np.einsum("nD,nj,dj->Dd", X, R, G) / len(X), 2 * np.einsum("nD,Dd,nj->dj", X, E, R) / len(X)


def slopes(X, E, G, factor=1.0, swap=False):
    pair = tuple(factor * slope for slope in by_einsum(X, E, G))
    return pair[::-1] if swap else pair


def slope_of_the_code(X, E, G):
    """The loss compares the code with the input: the decoder gets no gradient."""
    return by_einsum(X, E, G)[0], np.zeros_like(G)


def turned_as_a_list(W, b, V, c, A):
    return [W.dot(A), A.T.dot(b), np.linalg.inv(A).dot(V), c.copy()]


def turned_by_einsum(W, b, V, c, A):
    return np.einsum("Di,ij->Dj", W, A), np.einsum("i,ij->j", b, A), np.einsum("ji,jD->iD", A, V), c


CHOICE = EXERCISES["ch01.predict"]

ANSWERS = {
    "ch01.predict": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), f" {CHOICE.right} "],
        wrong=[
            ("both are zero but for rounding", "when it is stopped"),
            (
                "PCA's is about 1.6, as with 8 numbers; the autoencoder's is smaller, because it is trained",
                "no linear map",
            ),
            ("both are clearly above zero: a code always loses something", "as large as the picture"),
            ("e", "one of the letters"),
            (0.0, "one of the letters"),
        ],
    ),
    "ch01.pca": Answers(
        right=[by_sklearn, by_eigh, by_svd],
        wrong=[
            (mistaken(centre=False), "not centred"),
            (mistaken(back=False), "lie around zero"),
            (mistaken(last=True), "vary least"),
            (mistaken(standardise=True), "standard deviations"),
            (mistaken(axis=1), "wrong axis"),
            (lambda x, d: decomposition.PCA(d).fit_transform(x), "These are the codes"),
            (
                lambda x, d: decomposition.PCA(d).fit(x).components_,
                "shape (2, 6). Wanted: one that has the shape (30, 6)",
            ),
            (lambda x, d: by_svd(x, d + 1), "the numbers are not"),
        ],
    ),
    "ch01.gradient": Answers(
        right=[by_einsum, by_tensors],
        wrong=[
            (lambda X, E, G: slopes(X, E, G, -1), "the sign"),
            (lambda X, E, G: slopes(X, E, G, 0.5), "half"),
            (lambda X, E, G: slopes(X, E, G, len(X)), "sum over the pictures"),
            (lambda X, E, G: slopes(X, E, G, 1 / X.shape[1]), "pictures *and* pixels"),
            (lambda X, E, G: slopes(X, E, G, swap=True), "changed places"),
            (lambda X, E, G: (2 / len(X) * X.T @ ((X @ E @ G - X) @ E), by_einsum(X, E, G)[1]), "another matrix"),
            (slope_of_the_code, "that in G is not"),
            (lambda X, E, G: by_einsum(X, E, G)[0], "Wanted: one that has the shape (5, 2) and (2, 5)"),
        ],
    ),
    "ch01.turn": Answers(
        right=[turned_as_a_list, turned_by_einsum],
        wrong=[
            (lambda W, b, V, c, A: (W @ A, b, A.T @ V, c), "offset"),
            (lambda W, b, V, c, A: (W @ A, b @ A, A @ V, c), "turns once more"),
            (lambda W, b, V, c, A: (W @ A, b @ A, V, c), "does not know"),
            (lambda W, b, V, c, A: (W @ A.T, b @ A.T, A @ V, c), "transpose of A"),
            (lambda W, b, V, c, A: (W, b, V, c), "Nothing is turned"),
            (lambda W, b, V, c, A: (A @ W, b @ A, A.T @ V, c), "ValueError"),
            (lambda W, b, V, c, A: (W @ A, b @ A, A.T @ V, c @ c), "shape"),
        ],
    ),
}
