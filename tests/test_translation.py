"""Translation: the losses against NumPy, a regression's known answers, both players' gradients, files and refusals."""

import keras
import numpy as np
import pytest
from keras import ops

from aecore.adversarial import R1, GradientPenalty, LeastSquares, NonSaturating
from aecore.networks import conv_encoder, mlp_encoder, unet
from aecore.translation import Translator

numpy = ops.convert_to_numpy
RNG = np.random.default_rng(5)
SOURCE = RNG.random((40, 4, 8, 1)).astype("float32")
TARGET = RNG.random((40, 4, 8, 2)).astype("float32")


def generator(noise=0, **kwargs):
    return unet((4, 8, 1), (3,), 2, condition_size=noise, output_activation="sigmoid", seed=1, **kwargs)


def critic(grid=True, **kwargs):
    return conv_encoder((4, 8, 3), (3,), 1, activation="leaky_relu", grid=grid, seed=2, **kwargs)


def softplus(x):
    return np.logaddexp(0, x)


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("loss", [NonSaturating(), LeastSquares()])
def test_the_losses_are_means_over_windows_and_values(grid, loss):
    judge = critic(grid)
    t = Translator(generator(), judge, loss=loss, weight=3.0)
    fake = t.translate(SOURCE)
    real_logits, fake_logits = (
        judge.predict_on_batch(np.concatenate([SOURCE, y], axis=-1)).astype("float64") for y in (TARGET, fake)
    )
    if isinstance(loss, LeastSquares):
        wanted = 0.5 * np.mean((real_logits - 1) ** 2 + fake_logits**2), 0.5 * np.mean((fake_logits - 1) ** 2)
    else:
        wanted = np.mean(softplus(-real_logits) + softplus(fake_logits)), np.mean(softplus(-fake_logits))
    as_tensors = [ops.convert_to_tensor(a) for a in (SOURCE, TARGET, fake)]
    assert float(t.critic_loss(*as_tensors)) == pytest.approx(wanted[0], rel=1e-4)
    l1 = np.abs(TARGET - fake).mean()
    assert float(t.generator_loss(*as_tensors)) == pytest.approx(3 * l1 + wanted[1], rel=1e-4)


@pytest.mark.parametrize(
    ("penalty", "wanted"), [(R1(3.0), lambda s: s**2 / 2), (GradientPenalty(3.0), lambda s: (s - 1) ** 2)]
)
def test_penalties_of_a_linear_critic_are_exact(penalty, wanted):
    judge = mlp_encoder((4, 8, 3), (), 1)
    slope = np.linalg.norm(numpy(judge.weights[0]))
    args = [ops.convert_to_tensor(a) for a in (SOURCE, TARGET, TARGET[::-1])]
    mix = ops.convert_to_tensor(RNG.random(40).astype("float32"))
    without = float(Translator(generator(), judge).critic_loss(*args))
    loss = float(Translator(generator(), judge, penalty=penalty).critic_loss(*args, mix))
    assert loss - without == pytest.approx(3 * wanted(slope), rel=1e-4)


def test_the_slope_of_a_grid_is_that_of_its_mean():
    judge = conv_encoder((4, 8, 3), (3,), 1, activation="linear", grid=True, seed=2)
    pixels = np.eye(96, dtype="float32").reshape(96, 4, 8, 3)
    zero = judge.predict_on_batch(np.zeros((1, 4, 8, 3), "float32"))
    slopes = judge.predict_on_batch(pixels).reshape(96, -1).mean(axis=1) - zero.mean()
    args = [ops.convert_to_tensor(a) for a in (SOURCE, TARGET, TARGET[::-1])]
    values = [float(Translator(generator(), judge, penalty=p).critic_loss(*args)) for p in (R1(1.0), None)]
    assert values[0] - values[1] == pytest.approx(0.5 * (slopes**2).sum(), rel=1e-3)


def test_a_step_moves_each_player_down_its_own_loss():
    """One step of plain gradient descent against finite differences of the two losses."""
    t = Translator(generator(), critic(), weight=2.0)
    rates = {"critic_optimizer": keras.optimizers.SGD(0.1), "generator_optimizer": keras.optimizers.SGD(0.05)}
    t.compile(**rates, jit_compile=False)
    x, y = SOURCE[:4], TARGET[:4]
    start = {name: [numpy(v).copy() for v in vs] for name, vs in t.players().items()}
    as_tensors = [ops.convert_to_tensor(a) for a in (x, y)]

    def slope(loss, variable, place):
        value, ends = numpy(variable).copy(), []
        for h in (2e-3, -2e-3):
            moved = value.copy()
            moved[place] += h
            variable.assign(moved)
            ends.append(float(loss()))
        variable.assign(value)
        return (ends[0] - ends[1]) / 4e-3

    def critic_loss():
        return t.critic_loss(*as_tensors, t.made(as_tensors[0]))

    def generator_loss():
        return t.generator_loss(*as_tensors, t.made(as_tensors[0]))

    critics, generators = t.critic.trainable_variables, t.generator.trainable_variables
    first = slope(critic_loss, critics[0], (1, 2, 0, 1))
    t.fit(x, y, epochs=1, batch_size=4, verbose=0)
    moved = numpy(critics[0])[1, 2, 0, 1] - start["critic"][0][1, 2, 0, 1]
    assert moved == pytest.approx(-0.1 * first, rel=0.05)
    after = [numpy(v).copy() for v in generators]
    for v, w in zip(generators, start["generator"], strict=True):
        v.assign(w)
    second = slope(generator_loss, generators[-1], (1,))  # by the critic as it is after its own step
    assert after[-1][1] - start["generator"][-1][1] == pytest.approx(-0.05 * second, rel=0.05)


def test_a_regression_answers_with_the_median():
    """One source, targets of three levels: the best constant by absolute error is the level in the middle."""
    source = np.zeros((90, 4, 8, 1), "float32")
    levels = np.repeat([0.1, 0.3, 0.9], 30).astype("float32")
    target = np.broadcast_to(levels[:, None, None, None], (90, 4, 8, 2)).copy()
    t = Translator(generator())
    t.compile(generator_optimizer=keras.optimizers.Adam(0.02))
    t.fit(source, target, epochs=150, batch_size=90, verbose=0)
    np.testing.assert_allclose(t.translate(source[:1]), 0.3, atol=0.03)  # the mean is 0.43


def test_noise_is_an_input_that_the_seed_owns():
    t = Translator(generator(noise=3), critic())
    a, b, c = t.translate(SOURCE), t.translate(SOURCE, batch_size=7), t.translate(SOURCE, seed=1)
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(a - c).max() > 1e-3
    t.compile()
    logs = t.fit(SOURCE, TARGET, epochs=2, batch_size=16, verbose=0).history
    assert {"l1", "critic", "generator"} <= set(logs)


def test_a_run_that_was_interrupted_ends_at_the_same_weights(tmp_path):
    def run(*epochs):
        for e in epochs:
            t = Translator(generator(noise=2), critic(), seed=3)
            t.compile()
            t.fit(SOURCE, TARGET, epochs=e, batch_size=16, verbose=0, checkpoint=tmp_path / f"{len(epochs)}.npz")
        return t.get_weights()

    for v, w in zip(run(4), run(2, 4), strict=True):
        np.testing.assert_allclose(v, w, atol=1e-6)


def test_a_translator_is_kept_in_a_file(tmp_path):
    t = Translator(generator(noise=2), critic(), loss=LeastSquares(), weight=7.0, penalty=R1(2.0), seed=3)
    t.compile()
    t.fit(SOURCE, TARGET, epochs=1, batch_size=16, verbose=0)
    t.save(tmp_path / "t.keras")
    again = keras.models.load_model(tmp_path / "t.keras")
    assert (again.weight, again.seed, type(again.loss), float(again.penalty.weight)) == (7.0, 3, LeastSquares, 2.0)
    np.testing.assert_allclose(again.translate(SOURCE), t.translate(SOURCE), atol=1e-6)
    Translator(generator()).save(tmp_path / "alone.keras")
    assert keras.models.load_model(tmp_path / "alone.keras").critic is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Translator(generator(), critic(), weight=-1.0), "weight must be a finite number >= 0, got -1"),
        (lambda: Translator(generator(), critic(condition_size=2)), r"one picture, \(4, 8, 3\).* got .*\(2,\)"),
        (lambda: Translator(generator(), conv_encoder((4, 8, 2), (3,), 1)), r"one picture, \(4, 8, 3\), .* got"),
        (lambda: Translator(generator(), conv_encoder((4, 8, 3), (3,), 2)), r"gives one logit, .* got"),
        (lambda: Translator(generator(), penalty=R1(1.0)), "a penalty is one on the critic, got none"),
        (lambda: Translator(conv_encoder((4, 8, 1), (3,), 2)), "same height and width, got .* Use networks.unet"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=f"Translator: .*{message}"):
        make()


def test_data_that_do_not_fit_are_refused():
    t = Translator(generator(), critic())
    t.compile()
    fit = lambda *data: t.fit(*data, verbose=0)
    with pytest.raises(ValueError, match=r"learned from pairs: fit\(source, target\)"):
        fit(SOURCE)
    with pytest.raises(ValueError, match="wanted a target for each source, got 40 and 39"):
        fit(SOURCE, TARGET[:39])
    with pytest.raises(ValueError, match=r"target: wanted shape \(n, 4, 8, 2\)"):
        fit(SOURCE, SOURCE)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        fit(SOURCE, 2 * TARGET)
    with pytest.raises(ValueError, match=r"translate: wanted shape \(n, 4, 8, 1\)"):
        t.translate(TARGET)
    with pytest.raises(TypeError, match="loss wants a AdversarialLoss such as NonSaturating"):
        Translator(generator(), critic(), loss="hinge")
