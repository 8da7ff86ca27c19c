"""Two quantisers of a code: vectors become tokens, and a gradient passes straight through. Chapter 12.

A code is a grid of vectors, (b, *grid, d). A quantiser replaces each vector by one of k that it knows; the number of
that one is a token, 0..k-1.
"""

import math

import keras
import numpy as np
from keras import ops

from aecore.data import check_whole
from aecore.objectives import sum_over_event

register = keras.saving.register_keras_serializable("aecore")


class Quantiser(keras.layers.Layer):
    """What the two quantisers have in common: a code is replaced on the way forward, and left alone on the way back.

        straight through:  z + stop_gradient(q - z)

    A subclass has `tokens(z)`, (b, *grid, d) -> (b, *grid) integers, and `vectors(tokens)`, the way back.

    Attributes:
        codes: k, how many vectors there are. size: d, the size of each.
        terms: loss terms that `call` adds to its result, and their weights.
    """

    terms = {}

    def __init__(self, codes, size, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.size = codes, size
        self.built = True


@register
class VectorQuantiser(Quantiser):
    """Replace each vector by the nearest of k vectors that are learned: the codebook.

        token = argmin_i |z - e_i|^2,    commit = |z - stop_gradient(e)|^2, summed over the grid

    The codebook follows the vectors that chose it, by a running mean; n_i of a batch's vectors chose code i, s_i is
    their sum, and both are divided by a fair share, (vectors in the batch) / k:

        usage_i <- decay usage_i + (1 - decay) n_i,    e_i <- e_i + (1 - decay) (s_i - n_i e_i) / usage_i

    With decay=None it follows the gradient of a second term instead, codebook = |stop_gradient(z) - e|^2.
    A code that is used less than `revive` times its fair share gets the place of a vector of the batch. At the
    first step this is every code: the codebook begins among the data.

    Args:
        codes: k >= 1. size: d >= 1.
        decay: of the running means, in [0, 1), or None.
        commitment: weight of the commitment term, >= 0.
        initializer: a Keras initializer that places the codebook before training, or None: it begins among the data.
        revive: share below which a code moves, in [0, 1); 0 leaves unused codes where they are.
        seed: owns which vectors of a batch are taken.
    Returns: dict: codes, (b, *grid, d), with the straight-through gradient; tokens, (b, *grid); commit, (b,);
        and codebook, (b,), where decay is None.
    Raises: ValueError where an argument is out of its range.
    Source: van den Oord et al. 2017, equation 3 and appendix A.1. Differs: usage is counted in fair shares, needs no
        smoothing, and moves unused codes, as in Dhariwal et al. 2020 (Jukebox), section 3. Chapter 12.
    """

    def __init__(self, codes, size, decay=0.99, commitment=0.25, initializer=None, revive=0.1, seed=0, **kwargs):
        codes, size = check_whole("VectorQuantiser", codes=codes, size=size)
        for name, value, top in (
            ("decay", decay or 0.0, 1),
            ("commitment", commitment, math.inf),
            ("revive", revive, 1),
        ):
            if not 0 <= value < top:
                raise ValueError(f"VectorQuantiser: {name} wants a number in [0, {top}), got {value}.")
        super().__init__(codes, size, **kwargs)
        self.config = {"codes": codes, "size": size, "decay": decay, "commitment": commitment, "revive": revive}
        self.config["seed"] = seed
        self.initializer = keras.initializers.get(initializer)
        self.revive = revive
        self.decay = 0.99 if decay is None else decay
        self.terms = ({"codebook": 1.0} if decay is None else {}) | {"commit": commitment}
        place = dict(shape=(codes, size), trainable=False)
        self.base = self.add_weight(initializer=self.initializer or "zeros", name="base", **place)
        # What a gradient moves stays apart: a step may move `base`, but not a variable that the optimizer owns.
        self.moved = self.add_weight(shape=(codes, size), initializer="zeros", name="moved") if decay is None else None
        unset = keras.initializers.Constant(-1.0 if initializer is None else 1.0)  # below any share: not yet placed
        self.usage = self.add_weight(shape=(codes,), initializer=unset, trainable=False, name="usage")
        self.draws = keras.random.SeedGenerator(seed)

    @property
    def codebook(self):
        """The k vectors, (k, d)."""
        return self.base + (0.0 if self.moved is None else self.moved)

    def tokens(self, z):
        """The nearest vector's number: (b, *grid, d) -> (b, *grid)."""
        centre = ops.mean(self.codebook, axis=0)  # far from the origin the squares would swallow what they differ by
        z, codebook = z - centre, self.codebook - centre
        # |z - e|^2 without |z|^2, which is the same for every e
        closeness = ops.matmul(z, ops.transpose(codebook)) - ops.sum(ops.square(codebook), axis=-1) / 2
        return ops.argmax(closeness, axis=-1)

    def vectors(self, tokens):
        """The vectors of tokens: (b, *grid) -> (b, *grid, d)."""
        return ops.take(self.codebook, tokens, axis=0)

    def call(self, z, training=False):
        still = ops.stop_gradient(z)
        if training:
            self.revive_codes(ops.reshape(still, (-1, self.size)))
        tokens = self.tokens(still)
        vectors = self.vectors(tokens)
        terms = {"commit": sum_over_event(ops.square(z - ops.stop_gradient(vectors)))}
        if self.moved is not None:
            terms["codebook"] = sum_over_event(ops.square(still - vectors))
        if training:
            self.follow(ops.reshape(still, (-1, self.size)), ops.reshape(tokens, (-1,)))
        return {"codes": z + ops.stop_gradient(vectors - z), "tokens": tokens, **terms}

    def revive_codes(self, z):
        """Give each code that is hardly used the place of a random vector of z, (m, d), and a fair share."""
        base, usage = ops.convert_to_tensor(self.base), ops.convert_to_tensor(self.usage)
        dead = usage < self.revive
        order = ops.argsort(keras.random.uniform((ops.shape(z)[0],), seed=self.draws))
        places = ops.take(z, ops.take(order, ops.arange(self.codes) % ops.shape(z)[0]), axis=0)  # (k, d)
        if self.moved is not None:
            places = places - ops.stop_gradient(self.moved)
        self.base.assign(ops.where(dead[:, None], places, base))
        self.usage.assign(ops.where(dead, 1.0, usage))

    def follow(self, z, tokens):
        """Move the usage, and the codebook where no gradient does, towards a batch: z, (m, d); tokens, (m,)."""
        share = self.codes / ops.cast(ops.shape(z)[0], z.dtype)
        n = ops.segment_sum(ops.ones_like(z[:, 0]), tokens, self.codes) * share  # (k,)
        self.usage.assign(self.decay * self.usage + (1 - self.decay) * n)
        if self.moved is None:
            s = ops.segment_sum(z, tokens, self.codes) * share  # (k, d)
            step = (s - n[:, None] * self.base) / ops.maximum(self.usage, 1e-20)[:, None]
            self.base.assign(self.base + (1 - self.decay) * step)

    def get_config(self):
        initializer = keras.saving.serialize_keras_object(self.initializer)
        return {**super().get_config(), **self.config, "initializer": initializer}


@register
class FSQ(Quantiser):
    """Round each of d numbers to one of a few levels: a codebook that is a fixed grid, with nothing to learn.

        i_j = floor(L_j sigmoid(z_j)),    q_j = 2 i_j / (L_j - 1) - 1,    token = sum_j i_j prod_{m<j} L_m

    Args:
        levels: L_1 ... L_d, each >= 2; there are prod L_j codes.
    Returns: dict: codes, (b, *grid, d) in [-1, 1], with the straight-through gradient; tokens, (b, *grid).
        The gradient is that of q before it is rounded, (2 L_j sigmoid(z_j) - 1) / (L_j - 1) - 1.
    Raises: ValueError where levels is empty or one is below 2.
    Source: Mentzer et al. 2024, finite scalar quantisation, section 3. Differs: a sigmoid cut into equal parts, for
        even and odd numbers of levels alike, instead of a shifted tanh that is rounded. Chapter 12.
    """

    def __init__(self, levels, **kwargs):
        levels = check_whole("FSQ", at_least=2, **{f"levels[{i}]": n for i, n in enumerate(levels)})
        if not levels:
            raise ValueError("FSQ: levels is empty. Give the levels of each number of the code, for example (8, 5, 5).")
        if math.prod(levels) >= 2**31:
            raise ValueError(f"FSQ: wanted fewer than 2**31 codes, got {math.prod(levels)}. Take fewer levels.")
        super().__init__(math.prod(levels), len(levels), **kwargs)
        self.levels = np.array(levels, "float32")
        self.steps = np.cumprod([1, *levels[:-1]]).astype("int32")  # what one step of each number adds to the token

    def places(self, z):
        """The level of each number: (b, *grid, d) -> integers 0..L-1, and the same before it is rounded down."""
        smooth = self.levels * ops.sigmoid(z)
        return ops.clip(ops.floor(smooth), 0.0, self.levels - 1), smooth

    def tokens(self, z):
        """The number of the code: (b, *grid, d) -> (b, *grid)."""
        return ops.sum(ops.cast(self.places(z)[0], "int32") * self.steps, axis=-1)

    def vectors(self, tokens):
        """The vectors of tokens, in [-1, 1]: (b, *grid) -> (b, *grid, d)."""
        places = ops.cast(tokens, "int32")[..., None] // self.steps % self.levels.astype("int32")
        return 2 * ops.cast(places, "float32") / (self.levels - 1) - 1

    def call(self, z, training=False):
        level, smooth = self.places(z)
        q, through = (2 * v / (self.levels - 1) - 1 for v in (level, smooth - 0.5))
        tokens = ops.sum(ops.cast(level, "int32") * self.steps, axis=-1)
        return {"codes": through + ops.stop_gradient(q - through), "tokens": tokens}

    def get_config(self):
        return {**super().get_config(), "levels": [int(n) for n in self.levels]}
