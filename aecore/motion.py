"""Films at the door, and where the labels of one frame are in the next. Chapter 20.

A film is a row of frames of one size: films (n, t, h, w, c), their masks (n, t, h, w). A carrier takes labels from one
frame to another: `carry(before, now, q)`, frames (b, h, w, c) and shares of the labels (b, h, w, k) -> (b, h, w, k).
"""

import numpy as np

from aecore.data import check_examples, check_whole

AT_ONCE = 2**24  # numbers that a carrier compares: 64 MB


class Likeness:
    """Every pixel asks the pixels around its place in the frame before, and believes those that look like it.

        p_i(l) = sum_j K_ij q_j(l) / sum_j K_ij,   over j at most `reach` rows and columns away
        K_ij = exp( -|P_i - P_j|^2 / (2 colour^2) - |i - j|^2 / (2 position^2) )

    |P_i - P_j|^2 is the mean squared difference of two patches, over their pixels and channels. Nothing is learnt, no
    motion is estimated: a soft form of block matching. A frame's edge goes on beyond it.

    Args:
        reach: how far an object may move from frame to frame, pixels, >= 1.
        patch: side of a patch, pixels, odd.
        colour: how different patches of one thing may be, in pixel values, > 0.
        position: width in pixels, > 0: of two that look the same the nearer one is believed.
    Raises: ValueError where an argument is out of range.
    Source: Buades et al. 2005 (means over patches that look alike); Vondrick et al. 2018, equation 1 (labels that are
        carried so). Chapter 20.
    """

    def __init__(self, reach=10, *, patch=5, colour=0.05, position=6.0):
        self.reach, self.patch = check_whole("Likeness", reach=reach, patch=patch)
        if patch % 2 == 0:
            raise ValueError(f"Likeness: patch wants an odd number, so that it has a middle, got {patch}.")
        for name, value in {"colour": colour, "position": position}.items():
            if not 0 < value < np.inf:
                raise ValueError(f"Likeness: {name} wants a positive width, got {value}.")
        self.colour, self.position = colour, position

    def __call__(self, before, now, q):
        """Carry shares of the labels: before, now (b, h, w, c), q of `before`, (b, h, w, k) -> p of `now`."""
        each = (2 * self.reach + 1) ** 2 * now.shape[1] * now.shape[2]
        step = max(1, AT_ONCE // each)
        parts = [self._carry(*(a[i : i + step] for a in (before, now, q))) for i in range(0, len(now), step)]
        return np.concatenate(parts)

    def _carry(self, before, now, q):
        from scipy.ndimage import uniform_filter

        (b, h, w), r = now.shape[:3], self.reach
        padded = [np.pad(a, ((0, 0), (r, r), (r, r), (0, 0)), mode="edge") for a in (before, q)]
        away = [(y, x) for y in range(2 * r + 1) for x in range(2 * r + 1)]  # from r rows and columns before
        frames, labels = ([a[:, y : y + h, x : x + w] for y, x in away] for a in padded)
        k = np.empty((len(away), b, h, w), "float32")
        for log_k, frame, (y, x) in zip(k, frames, away, strict=True):
            difference = uniform_filter(np.square(now - frame).mean(axis=-1), (0, self.patch, self.patch))
            distance = (y - r) ** 2 + (x - r) ** 2
            log_k[:] = -difference / (2 * self.colour**2) - distance / (2 * self.position**2)
        k = np.exp(k - k.max(axis=0), out=k)
        k /= k.sum(axis=0)
        return sum(share[..., None] * label for share, label in zip(k, labels, strict=True))


def check_films(films, name, shape=(None, None, None)):
    """Let films in, (n, t, h, w, c) in [0, 1], and say what is wrong with others.

    Args: films, what was given; name, who asks; shape, wanted of a frame, None where any size fits.
    Returns: float32, (n, t, h, w, c). Raises: ValueError; TypeError where they hold no floats.
    """
    try:
        x = np.asarray(films)
    except ValueError as error:
        raise ValueError(
            f"{name}: wanted films (n, t, h, w, c) whose frames all have one size, got frames or films of different "
            "sizes. Resize the frames; give films of different lengths one at a time: film[None]."
        ) from error
    if x.ndim == 4:
        raise ValueError(
            f"{name}: wanted films (n, t, h, w, c), got {x.shape}. One film needs a batch axis: film[None]."
        )
    if x.ndim == 5 and 0 in x.shape[:2]:
        raise ValueError(f"{name}: wanted at least one film of at least one frame, got shape {x.shape}.")
    x = check_examples(x, (None, *shape), name)
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"{name}: wanted films in [0, 1], got {x.min():.9g} to {x.max():.9g}. Rescale.")
    return x
