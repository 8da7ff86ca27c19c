"""The judge against logistic regression, a loss written out, and its own saved self."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from aecore import data
from aecore.classifier import Classifier
from aecore.networks import mlp_encoder

rng = np.random.default_rng(0)
digits = data.digits()


def judge(hidden=(), code_size=16, seed=0, classes=10, rate=3e-3, code_activation="relu"):
    encoder = mlp_encoder((8, 8, 1), hidden, code_size, code_activation=code_activation, seed=seed)
    made = Classifier(encoder, classes, seed=seed)
    made.compile(keras.optimizers.Adam(rate))
    return made


def test_its_verbs_and_its_loss_are_those_of_its_weights():
    made = judge()
    x, y = digits.train.x[:50], digits.train.y[:50]
    W, b, V, c = (keras.ops.convert_to_numpy(w).astype("float64") for w in made.weights[:4])
    features = np.maximum(x.reshape(50, -1) @ W + b, 0)
    odds = np.exp(features @ V + c)
    probs = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(made.features(x), features, atol=1e-5)
    np.testing.assert_allclose(made.probs(x, batch_size=7), probs, atol=1e-5)
    np.testing.assert_array_equal(made.predict(x), probs.argmax(axis=1))
    assert made.accuracy(x, y) == pytest.approx(np.mean(probs.argmax(axis=1) == y))
    assert made.evaluate(x, y)["nll"] == pytest.approx(-np.log(probs[range(50), y]).mean(), rel=1e-5)


def test_without_a_hidden_layer_it_finds_what_logistic_regression_finds():
    # Two classes in the plane: linear features and a linear head have no other optimum than logistic regression's.
    x = rng.standard_normal((400, 2)).astype("float32")
    y = (x @ [1.5, -1.0] + 0.3 + rng.logistic(size=400) > 0).astype(int)
    made = Classifier(mlp_encoder((2,), (), 2), classes=2)
    made.compile(keras.optimizers.Adam(0.02))
    made.fit(x, y, epochs=60, batch_size=100, verbose=0)
    wanted = LogisticRegression(C=np.inf).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(made.probs(x), wanted, atol=0.03)


def test_it_reads_digits_and_its_seed_owns_it():
    a, b, c = judge(seed=1), judge(seed=1), judge(seed=2)
    for made, seed in ((a, 1), (b, 1), (c, 1)):
        made.fit(digits.train.x, digits.train.y, epochs=12, batch_size=64, seed=seed, verbose=0)
    assert a.accuracy(digits.test.x, digits.test.y) > 0.9
    assert a.accuracy(digits.test.x, (digits.test.y + 1) % 10) < 0.05
    np.testing.assert_array_equal(a.features(digits.test.x), b.features(digits.test.x))
    assert not np.allclose(a.features(digits.test.x), c.features(digits.test.x))


def test_a_saved_judge_judges_alike(tmp_path):
    made = judge(hidden=(12,), seed=3)
    made.fit(digits.train.x[:200], digits.train.y[:200], verbose=0)
    made.save(tmp_path / "judge.keras")
    again = keras.models.load_model(tmp_path / "judge.keras")
    np.testing.assert_allclose(again.probs(digits.test.x), made.probs(digits.test.x), atol=1e-6)
    assert (again.classes, again.seed) == (10, 3)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: Classifier("net", 10), TypeError, "encoder wants a Model such as mlp_encoder"),
        (lambda: judge(classes=1), ValueError, "classes must be at least 2, got 1"),
        (lambda: Classifier(mlp_encoder((4,), (), 2, condition_size=3), 2), ValueError, "an encoder of one input"),
        (lambda: judge(seed=-1), ValueError, "seed wants a whole number >= 0"),
        (lambda: judge().fit(digits.train.x), ValueError, "wants y, 1097 whole numbers from 0 to 9.*Pass y=labels"),
        (lambda: judge().fit(digits.train.x, digits.train.y + 1), ValueError, "got 1 to 10"),
        (lambda: judge().accuracy(digits.train.x, digits.train.y[:5]), ValueError, r"got shape \(5,\) of int64"),
        (lambda: judge().features(digits.train.x[..., 0]), ValueError, "The channel axis is missing"),
        (lambda: judge().predict(digits.train.x[:0]), ValueError, "at least one example"),
    ],
)
def test_what_cannot_be_judged_is_refused(act, error, message):
    with pytest.raises(error, match=message):
        act()
