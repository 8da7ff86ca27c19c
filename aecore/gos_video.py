"""The segmenter in time: what a mask shows in the first frame of a film is followed through the others. Chapter 20."""

import math

import numpy as np

from aecore.appearance import ColourMixture
from aecore.inference import CLIP
from aecore.motion import Likeness, check_films
from aecore.priors import FLAW
from aecore.regions import check_masks


class Tracker:
    """Label a film frame by frame: the segmenter's energy, and what the frame before and the first one say.

        E_t(y) = E(y; x_t) + w sum_i phi_i(y_i) + v sum_i chi_i(y_i)

        phi_i(l) = -log( eps + (1 - k eps) p_i(l) ),   p carried from q_(t-1) to frame t       motion.py
        chi_i(l) = max_m log p(c_i | m, first frame) - log p(c_i | l, first frame)             at most 8 nats

    The frame before knows where the object is, but hands on its own errors; the first frame's colours, which are known
    to be right, hold against that drift.

    Args:
        segmenter: gos.Segmenter with border=0, fitted: its appearance, CRF and shapes, its labels. Its colours and
            the memory's speak of the same pixels: together about 0.4 is enough.
        carry: anything with the call of motion.py, such as optical flow; None: Likeness().
        weight: w >= 0.
        memory: v >= 0.
        appearance: of the first frame, with the verb of appearance.py; None: ColourMixture().
    Raises: ValueError where an argument is out of range.
    Source: Perazzi et al. 2016 (the task); Märki et al. 2016 (an energy on colours that are carried along).
        Differs: no pixel is labelled twice, a frame that is done stays. Chapter 20.

    Example:
        segmenter = Segmenter(border=0, appearance_weight=0.2, prior_weight=0).fit(masks[:, 0])
        Tracker(segmenter).predict(films, masks[:, 0])      # (n, t, h, w, 3), (n, h, w) -> (n, t, h, w)
    """

    def __init__(self, segmenter, carry=None, *, weight=1.0, memory=0.2, appearance=None):
        for name, value in {"weight": weight, "memory": memory}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"Tracker: {name} must be a finite number >= 0, got {value}.")
        self.segmenter, self.weight, self.memory = segmenter, weight, memory
        self.carry = Likeness() if carry is None else carry
        self.appearance = ColourMixture() if appearance is None else appearance

    def predict_proba(self, films, first):
        """How likely each label is at each pixel of each frame.

        Args: films, (n, t, h, w, c) in [0, 1]; first, (n, h, w), whole numbers: the labels of frame 0.
        Returns: q, (n, t, h, w, k), float32; of frame 0 what was given.
        Raises: ValueError where frames are missing or differ in size, or masks do not fit them.
        """
        x = check_films(films, "Tracker")
        first = check_masks(first, "Tracker (first)", self.segmenter.labels)
        if first.shape != (len(x), *x.shape[2:4]):
            raise ValueError(
                f"Tracker: films of shape {x.shape} want a first mask for each, of shape "
                f"{(len(x), *x.shape[2:4])}, got {first.shape}."
            )
        q = np.eye(self.segmenter.labels, dtype="float32")[first]
        believed = [q]
        for t in range(1, x.shape[1]):
            costs = self.weight * self._carried(x[:, t - 1], x[:, t], q)
            if self.memory:
                costs += self.memory * self._remembered(x[:, 0], x[:, t], believed[0])
            q = self.segmenter.predict_proba(x[:, t], hints=costs)
            believed.append(q)
        return np.stack(believed, axis=1)

    def predict(self, films, first):
        """The likeliest label of each pixel, (n, t, h, w) integers. Args: as `predict_proba`."""
        return self.predict_proba(films, first).argmax(axis=-1)

    def _carried(self, before, now, q):
        """phi: (n, h, w, k), nats."""
        k = q.shape[-1]
        return -np.log(FLAW + (1 - k * FLAW) * self.carry(before, now, q))

    def _remembered(self, first, now, labels):
        """chi, of colours fitted to the first frame alone: (n, h, w, k), nats."""
        pair, q = (np.concatenate(two, axis=2) for two in ((first, now), (labels, labels)))  # side by side
        counts = np.arange(pair.shape[2]) < first.shape[2]
        log_p = self.appearance.fit_predict(pair, q, np.broadcast_to(counts, pair.shape[:3]))[:, :, first.shape[2] :]
        return np.minimum(log_p.max(axis=-1, keepdims=True) - log_p, CLIP)
