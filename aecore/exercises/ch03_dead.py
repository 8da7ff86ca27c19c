"""The experiment of chapter 3: a linear code and a ReLU code, in a harsh setting, over three seeds."""

import numpy as np

from aecore import data
from aecore.exercises import _experiments as lab
from aecore.exercises._kinds import Report
from aecore.exercises._verdict import Mistake

CODES = ("linear", "relu")
SEEDS = 3


def draw(rng):
    hidden, code_size = (int(rng.integers(100, 150)), 64), int(rng.integers(8, 13))
    return {"hidden": hidden, "code_size": code_size, "seeds": [int(seed) for seed in rng.permutation(100)[:SEEDS]]}


def collect(report, rng, given):
    """Build the models of a report again, read them with either activation, and count what is silent."""
    weights, errors = lab.entries(report, ("weights", "errors"), SEEDS, CODES)
    (dead,) = lab.entries(report, ("dead",), SEEDS)
    train, _, test = data.digits()
    models = {name: lab.network(given["hidden"], given["code_size"], "relu", code_activation=name) for name in CODES}
    found = {"runs": {}, "no code": test.x.var(axis=0).sum(), "code size": given["code_size"]}
    for name, other in zip(CODES, reversed(CODES), strict=True):
        rows = []
        for w in weights[name]:
            made, seen = (lab.run(lab.load(models[name], w), x) for x in (test.x, train.x))
            rows.append(
                {
                    "test": lab.error(made["params"], test.x),
                    "train": lab.error(seen["params"], train.x),
                    "other": lab.error(lab.run(lab.load(models[other], w), test.x)["params"], test.x),
                    "silent": made["codes"] == 0,
                    "pictures": made["params"],
                }
            )
        found["runs"][name] = lab.columns(rows) | {"reported": lab.numbers(errors[name])}
    silent = found["runs"]["relu"]["silent"]  # (seeds, n, d)
    found["reported dead"] = lab.numbers(dead)
    found["dead"] = silent.all(axis=1).sum(axis=1)
    found["ever silent"] = silent.any(axis=1).sum(axis=1)
    found["zeros"] = silent.mean(axis=(1, 2))
    return found


def dead_is(count):
    """The reported counts are those of `count(found)`, and not what was wanted."""
    agrees = lambda found, values: np.allclose(found["reported dead"], values, rtol=1e-3)
    return lambda found: agrees(found, count(found)) and not agrees(found, found["dead"])


DEAD = Report(
    name="ch03.dead",
    points=3,
    section="The code's activation",
    wants='a dict with "weights" and "errors", each with the keys "linear" and "relu" and three entries for the three '
    'seeds, and "dead", three whole numbers',
    hints=(
        'Give `activation="relu"` to both networks, for their hidden layers, and `code_activation=` to the encoder alone.',
        "A unit is dead where its code is zero for every one of the test pictures: a column without a single positive number.",
        "`(codes == 0)` is (n, d). `all` along the axis of the pictures leaves one verdict per unit.",
    ),
    draw=draw,
    collect=collect,
    mistakes=(
        Mistake(
            "The models under one name have the other code activation: read the other way, their pictures are better.",
            lab.either(lambda run: (run["other"] < 0.7 * run["test"]).all()),
            "`code_activation` is an argument of `mlp_encoder`. `activation` is that of the hidden layers.",
        ),
        lab.SAME_RUN,
        Mistake(
            "A model with a linear code is hardly better than the mean picture: it is not trained, or not long enough.",
            lambda found: found["runs"]["linear"]["test"].max() > 0.3 * found["no code"],
            "Thirty epochs with Adam at a learning rate of 0.01, as in the chapter's harsh setting.",
        ),
        lab.ON_TRAINING,
        lab.AVERAGED,
        lab.NOT_THEIRS,
        Mistake(
            "`dead` counts the units that are zero for *some* picture. That is what a ReLU is for; dead is who is zero for all.",
            dead_is(lambda found: found["ever silent"]),
        ),
        Mistake(
            "`dead` is the share of zeros among all values. Wanted: a number of units.",
            dead_is(lambda found: found["zeros"]),
        ),
        Mistake(
            "`dead` counts the units that are alive.",
            dead_is(lambda found: found["code size"] - found["dead"]),
        ),
        Mistake(
            "`dead` is a share. Wanted: a number of units.", dead_is(lambda found: found["dead"] / found["code size"])
        ),
        Mistake(
            "The numbers under `dead` are not those of these weights, counted again on the test pictures.",
            lambda found: not np.array_equal(found["reported dead"], found["dead"]),
            section="The code's activation",
        ),
    ),
    after="Three seeds show how much luck is in it. Lower the learning rate, and count again.",
)
