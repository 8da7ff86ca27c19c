"""Reports of experiments: each takes some training, so the answers are functions. See test_experiments.py."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from aecore import Autoencoder, data, networks, objectives
from aecore.exercises import given

DIGITS = data.digits()
FAR = "These are not the weights"


class Reports(NamedTuple):
    """right: functions that make a report. wrong: report -> (answer, a piece of what the check must say), several."""

    right: list[Callable]
    wrong: Callable


def built(seed, code_size, hidden=(64,), activation="gelu", code_activation=None, **parts):
    net = {"shape": (8, 8, 1), "hidden": hidden, "code_size": code_size, "activation": activation, "seed": seed}
    ae = Autoencoder(networks.mlp_encoder(**net, code_activation=code_activation), networks.mlp_decoder(**net), **parts)
    ae.compile(keras.optimizers.AdamW(3e-3))
    return ae


def by_aecore(seed, code_size, epochs=25, **how):
    ae = built(seed, code_size, **how)
    ae.fit(DIGITS.train.x, epochs=epochs, batch_size=50, seed=seed, verbose=0)
    return ae.get_weights(), ae.reconstruct(DIGITS.test.x), ae.encode(DIGITS.test.x)


def by_keras(seed, code_size, hidden=(64,), activation="gelu", code_activation=None, crossed=False, l1=0.0, rate=5e-3):
    """The same without aecore: Keras' own layers, loss and training."""
    keras.utils.set_random_seed(seed)
    code = layers.Dense(code_size, code_activation, activity_regularizer=keras.regularizers.L1(l1))
    encoder = keras.Sequential([layers.Input((64,)), *(layers.Dense(n, activation) for n in hidden), code])
    decoder = keras.Sequential([*(layers.Dense(n, activation) for n in reversed(hidden)), layers.Dense(64)])
    model = keras.Sequential([encoder, decoder])
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    loss = lambda x, y: 64 * (entropy if crossed else keras.losses.mean_squared_error)(x, y)
    model.compile(keras.optimizers.Adam(rate), loss)
    train, test = (part.x.reshape(-1, 64) for part in (DIGITS.train, DIGITS.test))
    model.fit(train, train, epochs=30, batch_size=64, verbose=0)
    again = model.predict(test, verbose=0)
    again = 1 / (1 + np.exp(-again)) if crossed else again
    weights = model.get_weights() + [np.float32(l1)] * (l1 > 0)
    return weights, again.reshape(-1, 8, 8, 1), encoder.predict(test, verbose=0)


def error(again, x=None):
    return float(np.sum((again - (DIGITS.test.x if x is None else x)) ** 2) / len(again))


def on_training(build, weights):
    """The error on the training pictures of a model with these weights."""
    ae = build()
    ae.set_weights(weights)
    return error(ae.reconstruct(DIGITS.train.x), DIGITS.train.x)


def ill_formed(report, key="errors"):
    yield [1, 2, 3], "Wanted a dict"
    yield {k: v for k, v in report.items() if k != key}, f"{key!r}"
    yield {**report, key: 7}, f"{key!r}"


# --- ch01.compare ---------------------------------------------------------------------------------

LIKELIHOODS = {"squared error": objectives.SquaredError, "cross-entropy": objectives.Bernoulli}


def comparison(train):
    hidden, code_size, seeds = given("ch01.compare").values()
    runs = {name: [train(name, seed, code_size, hidden=(hidden,)) for seed in seeds] for name in LIKELIHOODS}
    errors = {name: [error(again) for _, again, _ in three] for name, three in runs.items()}
    spread = max(max(three) - min(three) for three in errors.values())
    means = [sum(three) / 3 for three in errors.values()]
    weights = {name: [w for w, _, _ in three] for name, three in runs.items()}
    return {"weights": weights, "errors": errors, "clear": abs(means[0] - means[1]) > spread}


def wrong_comparisons(report):
    hidden, code_size, seeds = given("ch01.compare").values()
    w, e = report["weights"], report["errors"]
    fresh = lambda size, hidden=hidden: {n: [built(s, size, hidden=(hidden,)).get_weights() for s in seeds] for n in w}
    change = lambda **new: {**report, **new}
    each = lambda f: {name: [f(name, i) for i in range(3)] for name in w}
    model = lambda name: lambda: built(0, code_size, hidden=(hidden,), likelihood=LIKELIHOODS[name]())
    nll = {}
    for name in w:
        nll[name] = []
        for weights in w[name]:
            ae = model(name)()
            ae.set_weights(weights)
            nll[name].append(ae.evaluate(DIGITS.test.x)["rec"])
    yield from ill_formed(report)
    yield change(weights=fresh(code_size + 1)), f"The code has {code_size + 1} units"
    yield change(weights=fresh(code_size, hidden + 1)), FAR
    yield change(weights=dict(zip(w, reversed(w.values()), strict=True))), "trained with the other loss"
    yield change(weights=each(lambda name, i: w[name][0])), "the same run"
    yield change(weights=fresh(code_size)), "hardly better than the mean picture"
    yield change(errors=each(lambda name, i: on_training(model(name), w[name][i]))), "on the training pictures"
    yield change(errors=nll), "values of the loss"
    yield change(errors=each(lambda name, i: e[name][i] / 64)), "averaged over the pixels"
    yield change(errors=each(lambda name, i: 1.0 + i / 100)), "not those of these weights"
    yield change(errors=each(lambda name, i: None)), "Wanted numbers"
    yield change(errors={name: three[:2] for name, three in e.items()}), "3 entries"
    yield change(clear=not report["clear"]), "does not agree"
    yield change(clear="yes"), "True or False"


# --- ch02.sweep -----------------------------------------------------------------------------------


def swept(train):
    lambdas, seed = given("ch02.sweep").values()
    report = {"weights": [], "errors": [], "on": []}
    for strength in lambdas:
        weights, again, z = train(strength, seed)
        report["weights"].append(weights)
        report["errors"].append(error(again))
        report["on"].append(float(np.mean([np.mean(one > one.max() / 10) for one in z])))
    return report


def wrong_sweeps(report):
    lambdas, seed = given("ch02.sweep").values()
    w, change = report["weights"], lambda **new: {**report, **new}
    build = lambda strength: built(seed, 80, code_activation="relu", penalty=objectives.L1(strength))
    codes = []
    for weights in w:
        ae = build(0.1)
        ae.set_weights(weights)
        codes.append(ae.encode(DIGITS.test.x))
    fresh = [build(strength).get_weights() for strength in lambdas]
    first = [*w[0][:-1]]
    yield from ill_formed(report, "on")
    yield change(weights=[weights[:-1] for weights in w]), "and a penalty L1"
    yield change(weights=[[*weights[:-1], np.float32(0.03)] for weights in w]), "not trained with the λ"
    yield change(weights=w[::-1]), "not trained with the λ"
    yield change(weights=[[*first, np.float32(strength)] for strength in lambdas]), "the same model"
    yield (
        change(weights=[[*(a * (1 + i / 50) for a in fresh[0][:-1]), lam] for i, lam in enumerate(lambdas)]),
        "smallest λ",
    )
    yield change(errors=[on_training(lambda: build(0.1), weights) for weights in w]), "on the training pictures"
    yield change(errors=[e / 64 for e in report["errors"]]), "averaged over the pixels"
    yield change(errors=[0.5, 0.7, 1.0, 2.0]), "not those of these weights"
    yield change(on=[np.mean(z != 0) for z in codes]), "that are not zero"
    yield change(on=[np.mean(z > 0.1 * z.max()) for z in codes]), "of *all* codes"
    yield change(on=[80 * share for share in report["on"]]), "counts units"
    yield change(on=[0.5, 0.4, 0.3, 0.2]), "shares are not those"
    # Nearly the same dense model four times, each with its own λ written beside it.
    alike = [[*(a * (1 + i / 1000) for a in first), np.float32(lam)] for i, lam in enumerate(lambdas)]
    measured = {"errors": [], "on": []}
    for weights in alike:
        ae = build(0.1)
        ae.set_weights(weights)
        z = ae.encode(DIGITS.test.x)
        measured["errors"].append(error(ae.reconstruct(DIGITS.test.x)))
        measured["on"].append(np.mean(z > 0.1 * z.max(axis=1, keepdims=True)))
    yield {"weights": alike, **measured}, "do not become sparser"


# --- ch03.dead ------------------------------------------------------------------------------------


def harsh(train):
    hidden, code_size, seeds = given("ch03.dead").values()
    how = {"hidden": hidden, "activation": "relu"}
    report = {"weights": {}, "errors": {}, "dead": []}
    for name in ("relu", "linear"):
        runs = [train(seed, code_size, code_activation=name, **how) for seed in seeds]
        report["weights"][name] = [weights for weights, _, _ in runs]
        report["errors"][name] = [error(again) for _, again, _ in runs]
        if name == "relu":
            report["dead"] = np.array([sum(not column.any() for column in z.T) for _, _, z in runs])
    return report


def by_aecore_harsh(seed, code_size, **how):
    ae = built(seed, code_size, **how)
    ae.compile(keras.optimizers.Adam(1e-2))
    ae.fit(DIGITS.train.x, epochs=20, batch_size=64, seed=seed, verbose=0)
    return ae.get_weights(), ae.reconstruct(DIGITS.test.x), ae.encode(DIGITS.test.x)


def wrong_counts(report):
    hidden, code_size, seeds = given("ch03.dead").values()
    how = {"hidden": hidden, "activation": "relu"}
    w, e, change = report["weights"], report["errors"], lambda **new: {**report, **new}
    build = lambda name: built(0, code_size, code_activation=name, **how)
    each = lambda f: {name: [f(name, i) for i in range(3)] for name in w}
    silent = []
    for weights in w["relu"]:
        ae = build("relu")
        ae.set_weights(weights)
        silent.append(ae.encode(DIGITS.test.x) == 0)
    fresh = lambda size=code_size, **other: {
        n: [built(s, size, **{**how, **other}).get_weights() for s in seeds] for n in w
    }
    yield from ill_formed(report)
    yield change(dead=3), "every list of 'dead'"
    yield change(weights=fresh(code_size + 2)), f"The code has {code_size + 2} units"
    yield change(weights=fresh(hidden=(64,))), FAR
    yield change(weights={"linear": w["relu"], "relu": w["linear"]}), "other code activation"
    yield change(weights=each(lambda name, i: w[name][0])), "the same run"
    yield change(weights={**w, "linear": fresh()["linear"]}), "hardly better"
    yield change(errors=each(lambda n, i: on_training(lambda: build(n), w[n][i]))), "on the training pictures"
    yield change(errors=each(lambda name, i: e[name][i] / 64)), "averaged over the pixels"
    yield change(errors=each(lambda name, i: e[name][i] + 0.05)), "not those of these weights"
    yield change(dead=[int(s.any(axis=0).sum()) for s in silent]), "for *some* picture"
    yield change(dead=[float(s.mean()) for s in silent]), "share of zeros"
    yield change(dead=[code_size - int(n) for n in report["dead"]]), "are alive"
    yield change(dead=[n / code_size for n in report["dead"]]), "is a share"
    yield change(dead=[int(n) + 1 for n in report["dead"]]), "counted again"


ANSWERS = {
    "ch01.compare": Reports(
        right=[
            lambda: comparison(lambda name, seed, d, **how: by_aecore(seed, d, **how, likelihood=LIKELIHOODS[name]())),
            lambda: comparison(lambda name, seed, d, **how: by_keras(seed, d, **how, crossed=name == "cross-entropy")),
        ],
        wrong=wrong_comparisons,
    ),
    "ch02.sweep": Reports(
        right=[
            lambda: swept(lambda lam, s: by_aecore(s, 80, code_activation="relu", penalty=objectives.L1(lam))),
            lambda: swept(lambda lam, s: by_keras(s, 80, code_activation="relu", l1=lam)),
        ],
        wrong=wrong_sweeps,
    ),
    "ch03.dead": Reports(
        right=[lambda: harsh(by_aecore_harsh), lambda: harsh(lambda *a, **k: by_keras(*a, **k, rate=1e-2))],
        wrong=wrong_counts,
    ),
}
