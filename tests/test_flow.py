"""Flows against the closed form of a flow between Gaussians, laws of symmetry, and the other backend."""

import math
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from scipy.integrate import quad
from scipy.linalg import sqrtm

from aecore.flow import Flow, straightness
from aecore.metrics import frechet_distance
from aecore.networks import mlp_encoder

R = np.array([[1, 0.6, 0.3], [0.6, 1, 0.5], [0.3, 0.5, 1]])  # codes' correlations
C, U = np.linalg.eigh(R)
MEAN, SCALE = np.array([2.0, -1, 0]), np.array([0.5, 3, 1])


class Exact(keras.layers.Layer):
    """v(z, t) from N(0, I) to N(0, R): (t R - (1 - t) I) ((1 - t)^2 I + t^2 R)^-1 z."""

    def call(self, z, t):
        u, c = (ops.convert_to_tensor(a.astype("float32")) for a in (U, C))
        return ops.matmul(ops.matmul(z, u) * (t * c - (1 - t)) / ((1 - t) ** 2 + t**2 * c), ops.transpose(u))


@pytest.fixture
def exact():
    z, t = keras.Input((3,)), keras.Input((1,))
    flow = Flow(keras.Model([z, t], Exact()(z, t)))
    flow.mean.assign(MEAN)
    flow.scale.assign(SCALE)
    flow.compile("sgd")
    return flow


def gaussian(n, seed=0):
    noise = np.random.default_rng(seed).standard_normal((n, 3))
    return (MEAN + SCALE * (noise @ sqrtm(R))).astype("float32")


def small(d=2, hidden=(32, 32), rate=0.01, **arguments):
    size = 1 + (arguments.get("classes") or 0)
    flow = Flow(mlp_encoder((d,), hidden, d, condition_size=size), **arguments)
    flow.compile(keras.optimizers.Adam(rate))
    return flow


def test_paths_of_the_exact_velocity_are_known(exact):
    noise = exact.draw(50)
    where = lambda t: MEAN + SCALE * (noise @ sqrtm((1 - t) ** 2 * np.eye(3) + t**2 * R))
    errors = []
    for steps in (50, 100, 200):
        paths = exact.paths(noise, steps)
        assert paths.shape == (steps + 1, 50, 3)
        errors.append(max(np.abs(paths[k] - where(k / steps)).max() for k in range(steps + 1)))
    assert errors[2] < 0.06
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.1)  # Euler's method is of first order
    np.testing.assert_array_equal(exact.sample(50, 200), paths[-1])


def test_one_step_ends_at_the_mean(exact):
    np.testing.assert_allclose(exact.sample(20, steps=1), np.tile(MEAN, (20, 1)), atol=1e-5)


def test_the_least_loss_is_what_crossing_lines_differ_by(exact):
    least = math.pi / 2 * np.trace(sqrtm(R)).real
    assert exact.evaluate(gaussian(100_000))["flow"] == pytest.approx(least, rel=0.01)


def test_straightness_of_the_exact_paths(exact):
    speed = lambda t, c: (t * c - (1 - t)) / np.sqrt((1 - t) ** 2 + t**2 * c)
    bend = np.diag([quad(lambda t, c=c: (np.sqrt(c) - 1 - speed(t, c)) ** 2, 0, 1)[0] for c in C])
    wanted = np.trace(np.diag(SCALE**2) @ U @ bend @ U.T)  # each coordinate in its own units
    assert straightness(exact.paths(exact.draw(20_000), 200)) == pytest.approx(wanted, rel=0.03)
    line = np.linspace(0, 1, 9)[:, None, None] * np.ones((1, 4, 3)) + np.arange(12).reshape(4, 3)
    assert straightness(line) == pytest.approx(0, abs=1e-20)


@pytest.fixture(scope="module")
def trained():
    flow = small(3, (64, 64))
    flow.fit(gaussian(8192), epochs=40, batch_size=512, verbose=0)
    flow.optimizer.learning_rate.assign(0.001)
    flow.fit(gaussian(8192), epochs=20, batch_size=512, verbose=0)
    return flow


def test_a_network_learns_the_exact_velocity(trained, exact):
    z = np.random.default_rng(1).standard_normal((500, 3)).astype("float32")
    for t in (0.0, 0.3, 0.7, 1.0):
        times = np.full(500, t, "float32")
        there = (z @ sqrtm((1 - t) ** 2 * np.eye(3) + t**2 * R)).astype("float32")  # where the flow is at time t
        right = exact.velocity_batch(there, times)
        assert np.mean((trained.velocity_batch(there, times) - right) ** 2) < 0.03 * np.mean(right**2) + 0.01


def test_samples_have_the_mean_and_covariance_of_the_codes(trained):
    true = gaussian(20_000, seed=5)
    far = [frechet_distance(true / SCALE, trained.sample(20_000, steps) / SCALE) for steps in (1, 4, 32)]
    assert far[0] > 5 * far[1] > 25 * far[2]
    assert far[2] < 0.02
    samples = (trained.sample(20_000) - MEAN) / SCALE
    np.testing.assert_allclose(samples.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(samples.T), R, atol=0.15)


def test_reflow_makes_paths_straight(trained, tmp_path):
    trained.save(tmp_path / "flow.keras")
    flow = keras.saving.load_model(tmp_path / "flow.keras")
    noise = flow.draw(2000, seed=9)
    before, ends = straightness(flow.paths(noise)), flow.sample(2000, seed=9)
    history = flow.reflow(8192, epochs=20, batch_size=512, verbose=0).history["flow"]
    assert history[-1] < 0.05 < 3 < trained.evaluate(gaussian(8192))["flow"]  # lines that do not cross
    paths = flow.paths(noise)
    assert straightness(paths) < 0.05 * before
    np.testing.assert_allclose(flow.mean, trained.mean)
    np.testing.assert_allclose(paths[-1], ends, atol=1.0)  # the same ends
    assert np.mean((paths[-1] - ends) ** 2 / SCALE**2) < 0.02
    one = frechet_distance(gaussian(2000) / SCALE, flow.sample(2000, steps=1) / SCALE)
    assert one < 0.1 < frechet_distance(gaussian(2000) / SCALE, trained.sample(2000, steps=1) / SCALE)


def test_a_change_of_units_changes_the_samples_units_alone():
    codes = gaussian(256)[:, :2]
    a, b = np.array([100, 0.01], "float32"), np.array([5, -3], "float32")
    flows = [small(), small()]
    for flow, given in zip(flows, (codes, a * codes + b), strict=True):
        flow.fit(given, epochs=3, batch_size=64, verbose=0)
    np.testing.assert_allclose(flows[1].paths(flows[1].draw(9)), a * flows[0].paths(flows[0].draw(9)) + b, rtol=2e-3)


def test_a_refused_fit_leaves_no_trace():
    codes, flow = gaussian(64)[:, :2], small()
    for bad in (dict(condition=np.zeros(64, int)), dict(noise=codes[:3]), dict(validation_data=codes[:, :1])):
        with pytest.raises(ValueError, match="Flow"):
            flow.fit(100 * codes, verbose=0, **bad)
    flow.fit(codes, verbose=0)
    np.testing.assert_allclose(flow.scale, codes.std(axis=0), rtol=1e-5)


def test_a_coordinate_that_is_constant_stays_so():
    codes = np.stack([gaussian(500)[:, 0], np.full(500, 0.1, "float32")], axis=1)
    flow = small(rate=0.02)
    flow.fit(codes, epochs=60, batch_size=100, verbose=0)
    np.testing.assert_allclose(flow.scale, [codes[:, 0].std(), 1.0], rtol=1e-5)
    constant = flow.sample(200)[:, 1]
    assert abs(constant.mean() - 0.1) < 0.05
    assert constant.std() < 0.15


def test_each_class_has_a_flow_of_its_own():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 3000)
    centres = np.array([[0, 4], [4, 0], [-4, -4]])
    codes = (centres[y] + rng.standard_normal((3000, 2)) * [[0.3, 1]]).astype("float32")
    flow = small(hidden=(64, 64), classes=3)
    flow.fit(codes, y, epochs=60, batch_size=250, verbose=0)
    flow.optimizer.learning_rate.assign(0.001)
    flow.fit(codes, condition=y, epochs=20, batch_size=250, validation_data=(codes[:50], y[:50]), verbose=0)
    for label in range(3):
        samples = flow.sample(2000, condition=np.full(2000, label))
        np.testing.assert_allclose(samples.mean(axis=0), centres[label], atol=0.2)
        np.testing.assert_allclose(samples.std(axis=0), [0.3, 1], rtol=0.3)
    assert flow.evaluate(codes, y)["flow"] < 0.7 * flow.evaluate(codes, (y + 1) % 3)["flow"]


def test_the_loss_of_given_noise_is_that_of_its_lines():
    flow = small(hidden=())
    for w in flow.trainable_weights:
        w.assign(np.zeros(w.shape))
    flow.compile(keras.optimizers.SGD(0.0))
    codes, noise = gaussian(60)[:, :2], flow.draw(60)
    loss = flow.fit(codes, noise=noise, batch_size=60, verbose=0).history["flow"][0]
    z = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    assert loss == pytest.approx(np.mean(np.sum((z - noise) ** 2, axis=1)), rel=1e-5)


def test_a_saved_flow_is_the_same_flow(tmp_path, same):
    codes, y = gaussian(64)[:, :2], np.arange(64) % 2
    flow = small(classes=2, seed=4)
    flow.fit(codes, y, batch_size=16, verbose=0)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    same(flow, again)
    np.testing.assert_array_equal(flow.sample(8, condition=y[:8]), again.sample(8, condition=y[:8]))


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, same):
    codes = gaussian(64)[:, :2]
    whole, broken = small(), small()
    whole.fit(codes, epochs=4, batch_size=16, verbose=0)
    broken.fit(codes, epochs=2, batch_size=16, checkpoint=tmp_path / "run.npz", verbose=0)
    broken = small()
    broken.fit(codes, epochs=4, batch_size=16, checkpoint=tmp_path / "run.npz", verbose=0)
    same(whole, broken)


def net(inputs=((2,), (1,)), out=2):
    given = [keras.Input(shape) for shape in inputs]
    return keras.Model(given, keras.layers.Dense(out)(given[0]))


CODES, LABELS = np.zeros((4, 2), "float32") + np.arange(4, dtype="float32")[:, None], np.arange(4)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: Flow("mlp"), TypeError, "velocity wants a Model such as mlp_encoder"),
        (lambda: Flow(net(inputs=((2,),))), ValueError, r"and \(1,\).* got the shapes \[\(2,\), \(2,\)\]"),
        (lambda: Flow(net(), classes=3), ValueError, r"condition_size=4"),
        (lambda: Flow(net(out=3)), ValueError, r"output \(2,\)"),
        (lambda: Flow(net(), classes=1), ValueError, "classes wants a whole number >= 2"),
        (lambda: small().sample(3), ValueError, r"sample: this flow does not know .* Call fit\(codes\) first"),
        (lambda: small().evaluate(CODES), ValueError, r"evaluate: this flow does not know .* Call fit\(codes\) first"),
        (lambda: small().fit(CODES[:, :1]), ValueError, r"Flow \(codes\): wanted shape \(n, 2\), got \(4, 1\)"),
        (lambda: small().fit(CODES, LABELS), ValueError, "not conditional"),
        (lambda: small(classes=4).fit(CODES), ValueError, "wants condition, 4 whole numbers from 0 to 3"),
        (lambda: small(classes=3).fit(CODES, LABELS), ValueError, "got 0 to 3"),
        (lambda: small().fit(CODES, noise=CODES[:3]), ValueError, "noise for each of 4 codes, got 3"),
        (lambda: fitted().sample(0), ValueError, "n wants a whole number >= 1"),
        (lambda: fitted().sample(3, steps=0), ValueError, "steps wants a whole number >= 1"),
        (lambda: fitted().paths(CODES[:, :1]), ValueError, r"paths: wanted shape \(n, 2\)"),
        (lambda: fitted(classes=4).sample(2, condition=LABELS), ValueError, "2 whole numbers from 0 to 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(use, error, message):
    with pytest.raises(error, match=message):
        use()


def fitted(**arguments):
    flow = small(**arguments)
    flow.scale.assign([1.0, 1.0])
    return flow


# --- the other backend runs this file as a script, with the same noise and times -----------------------


def seen(path):
    """Loads a flow, trains it for three epochs and samples."""
    flow = keras.saving.load_model(path)
    codes, y = gaussian(64)[:, :2], np.arange(64) % 2
    losses = flow.fit(codes, y, noise=flow.draw(64), epochs=3, batch_size=16, verbose=0).history["flow"]
    weights = [ops.convert_to_numpy(w) for w in flow.trainable_weights]
    return {
        "losses": losses,
        "paths": flow.paths(flow.draw(8), 10, y[:8]),
        **{f"w{i}": w for i, w in enumerate(weights)},
    }


def even_times(shape, seed=None):
    """For keras.random.uniform, whose numbers differ between the backends."""
    return ops.convert_to_tensor(np.linspace(0, 1, *shape), "float32")


def test_both_backends_agree(elsewhere, monkeypatch):
    folder = elsewhere(__file__, {"flow": small(classes=2)})
    monkeypatch.setattr(keras.random, "uniform", even_times)
    theirs = np.load(folder / "seen.npz")
    for name, ours in seen(folder / "flow.keras").items():
        np.testing.assert_allclose(ours, theirs[name], rtol=1e-5, atol=1e-5, err_msg=name)


if __name__ == "__main__":
    keras.random.uniform = even_times
    np.savez(Path(sys.argv[1]) / "seen.npz", **seen(Path(sys.argv[1]) / "flow.keras"))
