"""The experiment of chapter 1: cross-entropy against squared error, over three seeds."""

import numpy as np

from aecore import data
from aecore.ae import Autoencoder
from aecore.exercises._kinds import Report
from aecore.exercises._verdict import Mistake, Wrong
from aecore.metrics import squared_error
from aecore.networks import mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli, SquaredError

LOSSES = {"squared error": SquaredError, "cross-entropy": Bernoulli}
SEEDS = 3


def collect(report, rng, given):
    """Build the models of a report again from their weights, and measure them."""
    if not isinstance(report, dict):
        raise Wrong(f"Wanted a dict, got {type(report).__name__}. Hand over what the function returns.")
    for key in ("weights", "errors"):
        if not isinstance(report.get(key), dict) or set(report[key]) != set(LOSSES):
            raise Wrong(f"The report wants an entry {key!r}, a dict with the keys {' and '.join(map(repr, LOSSES))}.")
        for name, values in report[key].items():
            if len(values) != SEEDS:
                raise Wrong(f"{key!r} wants three entries for {name!r}, one for each seed.")
    if not isinstance(report.get("clear"), (bool, np.bool_)):
        raise Wrong(f"The report wants an entry 'clear', True or False, got {report.get('clear')!r}.")
    digits = data.digits()
    found = {"clear": bool(report["clear"]), "no code": digits.test.x.var(axis=0).sum(), "runs": {}}
    for name in LOSSES:
        models = [rebuilt(name, weights, given["code_size"]) for weights in report["weights"][name]]
        other = [
            rebuilt(rest, w, given["code_size"]) for w in report["weights"][name] for rest in LOSSES if rest != name
        ]
        pictures = [model.reconstruct(digits.test.x) for model in models]
        found["runs"][name] = {
            "reported": np.array([float(error) for error in report["errors"][name]]),
            "test": np.array([squared_error(again, digits.test.x).mean() for again in pictures]),
            "train": np.array([error(model, digits.train.x) for model in models]),
            "other": np.array([error(model, digits.test.x) for model in other]),
            "loss": np.array([model.evaluate(digits.test.x)["rec"] for model in models]),
            "copies": min(np.abs(pictures[i] - pictures[i - 1]).max() for i in range(SEEDS)) < 1e-6,
        }
    return found


def rebuilt(name, weights, code_size):
    net = {"shape": (8, 8, 1), "hidden": (64,), "code_size": code_size}
    model = Autoencoder(mlp_encoder(**net), mlp_decoder(**net), likelihood=LOSSES[name]())
    model.compile("adam")
    got, wanted = [np.shape(w) for w in weights], [tuple(w.shape) for w in model.weights]
    if got != wanted:
        sizes = [shape[1] for shape in got[2:3] if len(shape) == 2]
        if len(got) == len(wanted) and sizes != [code_size]:
            raise Wrong(
                f"The code has {sizes[0] if sizes else 'another'} units, not the {code_size} of `given`.",
                "A code size that is never used stands in many a script. Where does yours go?",
                "Where it breaks",
            )
        raise Wrong(
            "These are not the weights of an autoencoder with one hidden layer of 64 units on either side.",
            "Build both networks with `hidden=(64,)` and hand over `model.get_weights()`.",
        )
    model.set_weights([np.asarray(w, "float32") for w in weights])
    return model


def error(model, x):
    return squared_error(model.reconstruct(x), x).mean()


def either(test):
    """The effect of a mistake that was made with one of the two losses, or with both."""
    return lambda found: any(test(run) for run in found["runs"].values())


def reports(key, factor=1.0):
    """The reported numbers are those under `key`, and these are not what was wanted."""
    close = lambda run, key, factor: np.allclose(run["reported"], run[key] * factor, rtol=2e-3)
    return either(lambda run: close(run, key, factor) and not close(run, "test", 1.0))


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
    draw=lambda rng: {"code_size": int(rng.integers(6, 11)), "seeds": [int(s) for s in rng.permutation(100)[:SEEDS]]},
    collect=collect,
    mistakes=(
        Mistake(
            "The models under one name were trained with the other loss: read the other way, their pictures are better.",
            either(lambda run: (run["other"] < 0.5 * run["test"]).all()),
            "Which likelihood makes of the decoder's numbers what? `Bernoulli` takes them for logits.",
        ),
        Mistake(
            "Two of the three runs are the same run: the seed does not reach the networks.",
            either(lambda run: run["copies"]),
            "`mlp_encoder(..., seed=seed)` draws the first weights, `fit(..., seed=seed)` the order of the pictures.",
        ),
        Mistake(
            "A model is hardly better than the mean picture: it is not trained, or not long enough.",
            lambda found: any(run["test"].max() > 0.5 * found["no code"] for run in found["runs"].values()),
            "`fit` may never have been called, or for one epoch only. Twenty epochs are enough here.",
            "Encoder, code, decoder",
        ),
        Mistake(
            "These are the errors on the training pictures. Wanted: those on the test pictures.",
            reports("train"),
            "Which pictures has the model never seen?",
            "Measure: error against code size",
        ),
        Mistake(
            "These are the values of the loss. Cross-entropy and squared error have different units and cannot be "
            "compared: wanted is the squared error of both.",
            reports("loss"),
            "`metrics.squared_error(model.reconstruct(x), x)` means the same for every model.",
        ),
        Mistake(
            "The errors are averaged over the pixels: 64 times too small for the book's squared error per picture.",
            reports("test", 1 / 64),
            "Sum over the pixels, average over the pictures.",
        ),
        Mistake(
            "The reported errors are not those of these weights, measured again on the test pictures.",
            either(lambda run: not np.allclose(run["reported"], run["test"], rtol=2e-3)),
            "Measure the very models whose weights you hand over, after training.",
        ),
        Mistake(
            "`clear` does not agree with your own numbers.",
            lambda found: found["clear"] != is_clear(found),
            "Compare the difference of the means with the spread between the seeds.",
        ),
    ),
)
