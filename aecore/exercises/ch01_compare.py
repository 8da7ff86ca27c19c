"""The experiment of chapter 1: cross-entropy against squared error, over three seeds."""

import keras
import numpy as np

from aecore import data
from aecore.exercises import _experiments as lab
from aecore.exercises._kinds import Report
from aecore.exercises._verdict import Mistake, Wrong
from aecore.objectives import Bernoulli, SquaredError

LOSSES = {"squared error": SquaredError, "cross-entropy": Bernoulli}
SEEDS = 3


def draw(rng):
    hidden, code_size = int(rng.integers(48, 97)), int(rng.integers(6, 11))
    return {"hidden": hidden, "code_size": code_size, "seeds": [int(seed) for seed in rng.permutation(100)[:SEEDS]]}


def collect(report, rng, given):
    """Build the models of a report again from their weights, read them both ways, and measure them."""
    weights, errors = lab.entries(report, ("weights", "errors"), SEEDS, LOSSES)
    if not isinstance(report.get("clear"), (bool, np.bool_)):
        raise Wrong(f"The report wants an entry 'clear', True or False, got {report.get('clear')!r}.")
    train, _, test = data.digits()
    found = {"clear": bool(report["clear"]), "no code": test.x.var(axis=0).sum(), "runs": {}}
    model = lab.network((given["hidden"],), given["code_size"])
    for name, other in zip(LOSSES, reversed(LOSSES), strict=True):
        right, wrong = LOSSES[name](), LOSSES[other]()
        read = lambda likelihood, params: keras.ops.convert_to_numpy(likelihood.mean(params))
        rows = []
        for w in weights[name]:
            params, seen = (lab.run(lab.load(model, w), x)["params"] for x in (test.x, train.x))
            rows.append(
                {
                    "test": lab.error(read(right, params), test.x),
                    "train": lab.error(read(right, seen), train.x),
                    "other": lab.error(read(wrong, params), test.x),
                    "loss": keras.ops.convert_to_numpy(right.nll(test.x, params)).mean(),
                    "pictures": read(right, params),
                }
            )
        found["runs"][name] = lab.columns(rows) | {"reported": lab.numbers(errors[name])}
    return found


def is_clear(found):
    a, b = (run["test"] for run in found["runs"].values())
    return abs(a.mean() - b.mean()) > max(np.ptp(a), np.ptp(b))


COMPARE = Report(
    name="ch01.compare",
    points=3,
    section="What a loss assumes",
    wants='a dict with "weights" and "errors", each with the keys "squared error" and "cross-entropy" and three '
    'entries for the three seeds, and "clear", True or False',
    hints=(
        "Train with `likelihood=objectives.Bernoulli()` and with `objectives.SquaredError()`; measure both with "
        "`metrics.squared_error` on `digits.test.x`.",
        "A seed belongs into two places: the networks (`seed=`) and `fit` (`seed=`).",
        "`clear`: is the difference of the two means larger than the spread, largest minus smallest, of the three "
        "errors of either loss?",
    ),
    draw=draw,
    collect=collect,
    mistakes=(
        Mistake(
            "The models under one name were trained with the other loss: read the other way, their pictures are better.",
            lab.either(lambda run: (run["other"] < 0.5 * run["test"]).all()),
            "Which likelihood makes of the decoder's numbers what? `Bernoulli` takes them for logits.",
        ),
        lab.SAME_RUN,
        Mistake(
            "A model is hardly better than the mean picture: it is not trained, or not long enough.",
            lambda found: any(run["test"].max() > 0.5 * found["no code"] for run in found["runs"].values()),
            "`fit` may never have been called, or for one epoch only. Twenty epochs are enough here.",
            "Encoder, code, decoder",
        ),
        lab.ON_TRAINING,
        Mistake(
            "These are the values of the loss. Cross-entropy and squared error have different units and cannot be "
            "compared: wanted is the squared error of both.",
            lab.errors_are("loss"),
            "`metrics.squared_error(model.reconstruct(x), x)` means the same for every model.",
        ),
        lab.AVERAGED,
        lab.NOT_THEIRS,
        Mistake(
            "`clear` does not agree with your own numbers.",
            lambda found: found["clear"] != is_clear(found),
            "Compare the difference of the means with the spread between the seeds.",
        ),
    ),
)
