"""The experiment of chapter 2: what sparsity costs, over several strengths of the L1 penalty."""

import numpy as np

from aecore import data
from aecore.exercises import _experiments as lab
from aecore.exercises._kinds import Report
from aecore.exercises._verdict import Mistake
from aecore.objectives import L1

STRENGTHS = ((0.003, 0.01), (0.02, 0.05), (0.1, 0.2), (0.4, 0.8))  # one λ is drawn from each range


def draw(rng):
    return {"lambdas": [float(f"{rng.uniform(*pair):.2g}") for pair in STRENGTHS], "seed": int(rng.integers(100))}


def share_on(codes, of_all=False):
    """Share of units above a tenth of the largest of the same code, or of all codes."""
    largest = np.abs(codes).max(axis=None if of_all else 1, keepdims=True)
    return np.mean(np.abs(codes) > 0.1 * largest)


def collect(report, rng, given):
    """Build the models of a report again, with the λ that each was trained with among their weights."""
    weights, errors, on = lab.entries(report, ("weights", "errors", "on"), len(STRENGTHS))
    train, _, test = data.digits()
    model = lab.network((64,), 80, code_activation="relu", penalty=L1(0.1))
    rows = []
    for w in weights:
        made, seen = (lab.run(lab.load(model, w), x) for x in (test.x, train.x))
        rows.append(
            {
                "lambda": float(model.penalty.weight),
                "test": lab.error(made["params"], test.x),
                "train": lab.error(seen["params"], train.x),
                "on": share_on(made["codes"]),
                "on of all": share_on(made["codes"], of_all=True),
                "not zero": np.mean(made["codes"] != 0),
                "pictures": made["params"],
            }
        )
    run = lab.columns(rows) | {"reported": lab.numbers(errors), "reported on": lab.numbers(on)}
    return {"runs": {"L1": run}, "given": given, "no code": test.x.var(axis=0).sum()}


def on_is(key, factor=1.0):
    """The reported shares are those under `key`, and not what was wanted."""
    near = lambda a, b: np.allclose(a, b, rtol=5e-3, atol=1e-4)
    return lab.either(
        lambda run: near(run["reported on"], factor * run[key]) and not near(run["reported on"], run["on"])
    )


SWEEP = Report(
    name="ch02.sweep",
    points=3,
    section="All of them, measured",
    wants='a dict with "weights", "errors" and "on", each a list with four entries, one for each λ of `given`',
    hints=(
        "Build, train and measure inside one loop over the λ of `given`: `penalty=objectives.L1(lam)`.",
        'The chapter\'s `build("relu", penalty=...)` and `measure` have nearly all that is needed.',
        "A unit is on where it is larger than a tenth of the largest unit *of the same code*: `axis=1, keepdims=True`.",
    ),
    draw=draw,
    collect=collect,
    mistakes=(
        Mistake(
            "The models were not trained with the λ of `given`, in this order. A model's weights hold its λ too.",
            lambda found: not np.allclose(found["runs"]["L1"]["lambda"], found["given"]["lambdas"], rtol=1e-3),
            "Does the loop's variable reach `objectives.L1(...)`?",
        ),
        Mistake(
            "Two of the models are the same model.",
            lab.either(lambda run: run["copies"]),
            "Build a new one for every λ; `append(model.get_weights())` after its training.",
        ),
        Mistake(
            "The model with the smallest λ is hardly better than the mean picture: it is not trained, or not long enough.",
            lambda found: found["runs"]["L1"]["test"][0] > 0.2 * found["no code"],
            "Fifteen epochs with Adam at a learning rate of 0.003 are enough.",
        ),
        lab.ON_TRAINING,
        lab.AVERAGED,
        lab.NOT_THEIRS,
        Mistake(
            "`on` counts the units that are not zero. Wanted: those above a tenth of the largest unit of the same code.",
            on_is("not zero"),
        ),
        Mistake(
            "`on` compares every unit with the largest unit of *all* codes. Wanted: with the largest of its own code.",
            on_is("on of all"),
            "Along which axis is the largest unit looked for?",
        ),
        Mistake("`on` counts units. Wanted: a share, between 0 and 1.", on_is("on", factor=80)),
        Mistake(
            "The reported shares are not those of these weights, measured again on the test pictures.",
            lab.either(lambda run: not np.allclose(run["reported on"], run["on"], rtol=5e-3, atol=1e-4)),
        ),
        Mistake(
            "The models do not become sparser as λ grows: the penalty did not act while they were trained.",
            lab.either(lambda run: not run["on"][0] > 1.5 * run["on"][-1]),
        ),
    ),
    after="Plot the errors against the shares: that is the price list of sparsity on these digits.",
)
