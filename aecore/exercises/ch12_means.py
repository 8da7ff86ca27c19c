"""The exercise ch12.means: one step of a codebook that follows the vectors that chose it."""

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Function
from aecore.exercises._verdict import Mistake


def batches_with_tokens(rng):
    for m, k, d, decay in ((40, 5, 2, 0.9), (24, 8, 3, 0.6)):
        z, codebook = rng.normal(size=(m, d)), rng.normal(size=(k, d))
        tokens = rng.integers(0, k - 1, m)  # nothing chose the last code
        yield codebook, rng.uniform(0.4, 2, k), z, tokens, decay


def means(codebook, usage, z, tokens, decay, share=None, forget=False):
    """The step by a loop over codes. share: what one vector counts."""
    share = len(codebook) / len(z) if share is None else share
    new, used = codebook.copy(), usage.copy()
    for i in range(len(codebook)):
        chosen = z[tokens == i]
        used[i] = decay * usage[i] + (1 - decay) * share * len(chosen)
        total = decay * usage[i] * codebook[i] + (1 - decay) * share * chosen.sum(axis=0)
        new[i] = total / used[i] if len(chosen) or not forget else 0
    return new, used


def jump(codebook, usage, z, tokens, decay):
    """Each code at the mean of this batch's vectors."""
    own = [z[tokens == i].mean(axis=0) if (tokens == i).any() else codebook[i] for i in range(len(codebook))]
    return np.array(own), means(codebook, usage, z, tokens, decay)[1]


def blend(codebook, usage, z, tokens, decay):
    """A fixed share of the way to the mean of this batch's vectors, whatever the usage."""
    own, used = jump(codebook, usage, z, tokens, decay)
    return decay * codebook + (1 - decay) * own, used


def early(codebook, usage, *rest):
    """The step divided by the usage as it was."""
    new, used = means(codebook, usage, *rest)
    return codebook + (new - codebook) * (used / usage)[:, None], used


def last_alone(codebook, usage, z, tokens, decay):
    """What `sums[tokens] += z` and `counts[tokens] += 1` give: of several additions to a row, the last one alone."""
    share = len(codebook) / len(z)
    sums, counts = np.zeros_like(codebook), np.zeros(len(codebook))
    sums[tokens] += share * z
    counts[tokens] += share
    used = decay * usage + (1 - decay) * counts
    return codebook + (1 - decay) * (sums - counts[:, None] * codebook) / used[:, None], used


MEANS = Function(
    name="ch12.means",
    points=3,
    section="The nearest vector",
    wants="a function of codebook, usage, z, tokens and decay that returns the new codebook, (k, d), and the new usage, (k,)",
    hints=(
        "First the usage, then the codebook: the new usage stands below the fraction bar.",
        "n and s are counted in fair shares: divide by (number of vectors) / k.",
        "np.add.at adds into rows that occur several times; `sums[tokens] += z` does not.",
    ),
    cases=batches_with_tokens,
    truth=means,
    mistakes=(
        Mistake(
            "Each code jumps to the mean of this batch. Wanted: a running mean, which remembers earlier batches.",
            gives(jump),
        ),
        Mistake(
            "Each code goes the same share of the way, however often it has been used. The formula divides by the usage.",
            gives(blend),
        ),
        Mistake(
            "`decay` is on the wrong side: it belongs to the old values, 1 - decay to the new ones.",
            gives(lambda *case: means(*case[:-1], 1 - case[-1])),
        ),
        Mistake(
            "The counts are not measured in fair shares: a batch of m vectors counts as m/k in each.",
            gives(lambda *case: means(*case, share=1)),
        ),
        Mistake(
            "Codes that nothing chose have gone to zero. They should stay where they are.",
            gives(lambda *case: means(*case, forget=True)),
        ),
        Mistake(
            "The old usage stands below the fraction bar. It should be the new one.",
            gives(early),
        ),
        Mistake(
            "Only one vector of each code has been counted: `sums[tokens] += z` keeps the last of several.",
            gives(last_alone),
            "Rows that occur several times have to be added up: a loop over the codes does it, or np.add.at.",
        ),
    ),
    after="Where decay is 0, this is one step of k-means on the batch.",
)
