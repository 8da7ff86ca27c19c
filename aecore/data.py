"""Real data as float32 arrays in [0, 1], (n, h, w, c), in fixed parts; and the check at every door.

Embedded, no network: `digits`, `patches`. Downloaded and verified: `mnist`, `fashion_mnist`, `cifar10`. From files in
the data folder: `horses`, `davis`.
Generated data with known factors are in synthetic.py.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np

from aecore.downloads import folder, load
from aecore.regions import pairs, sequences

SPLIT_SEED = 2006  # of every random split in the book: the same examples are held out in every chapter


class Part(NamedTuple):
    """Examples x, (n, h, w, c) in [0, 1], and labels y, (n,), or None."""

    x: np.ndarray
    y: np.ndarray | None = None


class Dataset(NamedTuple):
    """Three parts that share no example: fit on `train`, choose on `validation`, report on `test`."""

    train: Part
    validation: Part
    test: Part


def digits():
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 pixels, 17 grey levels.

    Returns: Dataset with 1,097 / 300 / 400 examples of shape (8, 8, 1), labels 0-9.
    Source: Alpaydin and Kaynak 1998, test part (its writers are not named, so they are mixed over the parts).
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
    return split(x, y.astype("int64"), validation=300, test=400)


def patches(size=16, n=6000):
    """Square patches of scikit-image's photographs, grey, by picture: no picture is in two parts.

    Args:
        size: side of a patch in pixels, 4 to 128.
        n: training patches; validation and test have a sixth of it each.
    Returns: Dataset of shape (size, size, 1), no labels.
    Raises: ValueError where size or n is out of range.
    """
    if not 4 <= size <= 128:
        raise ValueError(f"patches: size must lie between 4 and 128 pixels, got {size}.")
    if n < 6:
        raise ValueError(f"patches: n must be at least 6, got {n}.")
    from skimage import color, data

    names = (("astronaut", "chelsea", "coins", "grass", "brick", "page"), ("rocket", "gravel"), ("camera", "coffee"))
    rng = np.random.default_rng(SPLIT_SEED)

    def cut(pictures, count):
        each = [len(part) for part in np.array_split(np.arange(count), len(pictures))]
        parts = []
        for name, m in zip(pictures, each, strict=True):
            picture = getattr(data, name)()
            grey = color.rgb2gray(picture) if picture.ndim == 3 else picture / 255
            windows = np.lib.stride_tricks.sliding_window_view(grey, (size, size))  # (h', w', size, size)
            rows, columns = (rng.integers(0, limit, m) for limit in windows.shape[:2])
            parts.append(windows[rows, columns])
        return Part(np.concatenate(parts)[..., None].astype("float32"))

    return Dataset(*(cut(pictures, count) for pictures, count in zip(names, (n, n // 6, n // 6), strict=True)))


def mnist():
    """MNIST, 28 x 28 handwritten digits. See `downloads.load` for where it comes from and what can go wrong.

    Returns: Dataset with 55,000 / 5,000 / 10,000 examples of shape (28, 28, 1), labels 0-9. Validation is the
        last 5,000 of the published training part; the test part is the published one.
    Source: LeCun et al. 1998.
    """
    return _published("mnist", validation=5000)


def fashion_mnist():
    """Fashion-MNIST, 28 x 28 pictures of clothes, in the parts and shapes of `mnist`. Source: Xiao et al. 2017."""
    return _published("fashion_mnist", validation=5000)


def cifar10():
    """CIFAR-10, 32 x 32 colour photographs of 10 kinds of things.

    Returns: Dataset with 45,000 / 5,000 / 10,000 examples of shape (32, 32, 3), labels 0-9.
    Source: Krizhevsky 2009.
    """
    return _published("cifar10", validation=5000)


def horses(size=32, validation=28, test=60, seed=SPLIT_SEED):
    """Photographs of horses with figure-ground masks, each cut to its box plus 15 %: `horses_64.npz` in a folder.

    Args: size, side in pixels, a divisor of 64; validation, test and seed as in `split`.
    Returns: Dataset; x, (n, size, size, 3), and masks instead of labels: y, (n, size, size) uint8, 0 and 1.
    Raises: FileNotFoundError where the file is not there: nothing downloads it; says what it holds. ValueError.
    Source: Borenstein and Ullman 2002, free for research. Cut your own from it with `regions.crops`.
    """
    return split(*pairs(folder() / "horses_64.npz", size), validation=validation, test=test, seed=seed)


def davis():
    """Ten films of DAVIS-2016 with figure-ground masks, 128 x 72 pixels: `davis_128x72.npz` in a folder.

    Returns: dict, from a film's name to its Part; x, (t, 72, 128, 3), and masks instead of labels: y, (t, 72, 128)
        uint8, 0 and 1. Nothing is fitted on them; what you tune on some of the films, report on the others.
    Raises: FileNotFoundError where the file is not there: nothing downloads it; says what it holds. ValueError.
    Source: Perazzi et al. 2016, for research.
    """
    return {name: Part(*film) for name, film in sequences(folder() / "davis_128x72.npz").items()}


def _published(name, validation):
    a = load(name)
    parts = {}
    for part in ("train", "test"):
        x = a[f"x_{part}"].astype("float32") / 255
        parts[part] = (x[..., None] if x.ndim == 3 else x), a[f"y_{part}"].astype("int64").ravel()
    (x, y), test = parts["train"], Part(*parts["test"])
    return Dataset(Part(x[:-validation], y[:-validation]), Part(x[-validation:], y[-validation:]), test)


def split(x, y=None, *, validation, test, seed=SPLIT_SEED):
    """Split examples at random into fixed parts.

    Args:
        x: (n, ...). y: labels, (n,), or None.
        validation, test: number of examples in these parts; the rest is for training.
        seed: owns the split.
    Returns: Dataset.
    Raises: ValueError where nothing would be left to train on.
    """
    n = len(x)
    if y is not None and len(y) != n:
        raise ValueError(f"split: wanted one label per example, got {n} examples and {len(y)} labels.")
    if validation < 0 or test < 0 or validation + test >= n:
        raise ValueError(
            f"split: validation ({validation}) and test ({test}) must leave some of the {n} examples to train on."
        )
    order = np.random.default_rng(seed).permutation(n)
    rows = order[validation + test :], order[test : validation + test], order[:test]
    return Dataset(*(Part(x[r], None if y is None else y[r]) for r in rows))


def bent_copies(x, amount=0.12, seed=0):
    """Copy each image turned, stretched and sheared a little about its middle, each by a random matrix of its own.

        copy(p) = x(A p),   A = I + U,   U uniform in [-amount, amount] (2 x 2)

    Args:
        x: images, (n, h, w, 1), float32.
        amount: in [0, 0.5); 0 copies exactly, 0.12 turns by up to some 7 degrees.
        seed: owns the matrices.
    Returns: (n, h, w, 1), float32; outside the image is black, between pixels the grey value is interpolated linearly.
    Raises: ValueError where the shape or the amount does not fit.
    Source: data augmentation by affine maps, as in Simard et al. 2003. Chapter 2.
    """
    from scipy.ndimage import map_coordinates

    x = check_examples(x, (None, None, 1), "bent_copies")
    if not 0 <= amount < 0.5:
        raise ValueError(f"bent_copies: amount must lie in [0, 0.5), got {amount}.")
    n, h, w, _ = x.shape
    middle = np.array([[(h - 1) / 2], [(w - 1) / 2]])
    grid = np.indices((h, w)).reshape(2, -1) - middle  # (2, h w), counted from the middle
    bend = np.eye(2) + np.random.default_rng(seed).uniform(-amount, amount, (n, 2, 2))
    copies = np.empty_like(x)
    for i in range(0, n, 4096):  # the places of all pixels at once would take four times the images' memory
        place = (bend[i : i + 4096] @ grid + middle).reshape(-1, 2, h, w)  # where each pixel looks for its grey value
        image = np.broadcast_to(np.arange(len(place))[:, None, None], (len(place), h, w))
        where = [image, place[:, 0], place[:, 1]]
        copies[i : i + 4096, ..., 0] = map_coordinates(x[i : i + 4096, ..., 0], where, order=1)
    return copies


def binarised(x, seed=0):
    """Toss each pixel once: 1 with the probability that its grey value says, else 0.

    Args: x, grey values in [0, 1], (n, ...); seed, which owns the tosses.
    Returns: zeros and ones, (n, ...), float32.
    Raises: ValueError where values lie outside [0, 1].
    Source: Salakhutdinov and Murray 2008, on MNIST. Chapters 10 and 11.
    """
    x = check_examples(x, np.shape(x)[1:], "binarised")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"binarised: wanted grey values in [0, 1], got {x.min():.9g} to {x.max():.9g}. Rescale.")
    return (np.random.default_rng(seed).random(x.shape, "float32") < x).astype("float32")


def check_examples(x, shape, name):
    """Let examples in where they fit, and say what is wrong where they do not.

    Args:
        x: what was given.
        shape: wanted shape of one example; None at an axis lets any size in.
        name: who asks, for the message.
    Returns: x as a float32 array, (n, *shape). float64 is converted; nothing else is.
    Raises: TypeError where x holds no floats; ValueError where its shape is wrong, it is empty, or it holds
        NaN or infinity.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        cure = ""
        if x.dtype.kind in "ui":
            cure = "Divide pixels by 255 first: x.astype('float32') / 255. Convert other numbers: x.astype('float32')."
        raise TypeError(f"{name}: wanted floating-point numbers, got {x.dtype}. {cure}".rstrip())
    wanted = tuple(shape)
    fits = x.ndim == len(wanted) + 1 and all(w in (None, s) for w, s in zip(wanted, x.shape[1:], strict=True))
    if not fits:
        cure = ""
        if x.shape == wanted:
            cure = " One example needs a batch axis too: x[None]."
        elif wanted[-1] in (1, None) and x.shape[1:] == wanted[:-1]:
            cure = " The channel axis is missing: x[..., None]."
        raise ValueError(f"{name}: wanted shape (n, {', '.join(map(str, wanted))}), got {x.shape}.{cure}")
    if len(x) == 0:
        raise ValueError(f"{name}: wanted at least one example, got none (shape {x.shape}).")
    if not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
        raise ValueError(
            f"{name}: {len(bad)} of {len(x)} examples hold NaN or infinity, the first is number {bad[0]}. "
            "Drop or repair them: x[np.isfinite(x).all(axis=(1, 2, 3))] keeps the others of a set of images."
        )
    return x.astype("float32", copy=False)


def check_condition(labels, n, classes, name, what="condition"):
    """Let one label for each of n examples in, where a model is conditional, and say what is wrong with others.

    Args: labels, what was given, or None; n; classes, c of the model, None where it is not conditional; name, who asks,
        and what, for which argument.
    Returns: (labels,), (n,) int32, or () for a model without a condition. Raises: ValueError.
    """
    if classes is None:
        if labels is not None:
            raise ValueError(f"{name}: this model is not conditional. Leave condition out, or build it with classes=c.")
        return ()
    wanted = f"{name}: this model wants {what}, {n} whole numbers from 0 to {classes - 1}, one per example"
    if labels is None:
        raise ValueError(f"{wanted}, got none. Pass {what}=labels.")
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "ui":
        raise ValueError(f"{wanted}, got shape {labels.shape} of {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"{wanted}, got {labels.min()} to {labels.max()}.")
    return (labels.astype("int32"),)


def labels_of(name, y, condition):
    """The labels that were given, as y or as condition; a ValueError where it was both."""
    if y is not None and condition is not None:
        raise ValueError(f"{name}: got labels twice, as y and as condition. Leave one of them out.")
    return condition if y is None else y


def class_shares(condition, n, classes, name):
    """Let labels in, or shares of the classes between which one wants to be, and say what is wrong with others.

    Args: condition, labels, (n,) integers, or shares, (n, classes) floats >= 0 that sum to 1; n, classes and name as
        `check_condition`.
    Returns: shares, (n, classes), float32; of a label, 1 for its class.
    Raises: ValueError.
    """
    shares = np.asarray(condition)
    if shares.dtype.kind == "f" and shares.shape == (n, classes):
        bad = np.flatnonzero(~((shares >= 0).all(axis=1) & np.isclose(shares.sum(axis=1), 1, atol=1e-4)))
        if len(bad):
            raise ValueError(
                f"{name}: shares of {classes} classes must be >= 0 and sum to 1 in each row, got {shares[bad[0]]} in "
                f"row {bad[0]}."
            )
        return shares.astype("float32")
    return np.eye(classes, dtype="float32")[check_condition(condition, n, classes, name)[0]]


def check_whole(name, at_least=1, **values):
    """Let whole numbers in, Python's or NumPy's, and say what is wrong with others.

    Args: name, who asks; at_least, the smallest that fits; values, the numbers by their names.
    Returns: list of int. Raises: ValueError where one is not a whole number or too small.
    """
    for what, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
            raise ValueError(f"{name}: {what} wants a whole number >= {at_least}, got {value!r}.")
    return [int(value) for value in values.values()]
