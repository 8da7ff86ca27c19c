"""GANs on both backends, after files and interruptions, over ten seeds; refusals.

This file, run as a script under the other backend, loads each variant, trains it and saves it again.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from aecore import data, synthetic
from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from aecore.gan import GAN
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder, projection_critic

SHAPE, CLASSES = (8, 8, 1), 10
numpy = keras.ops.convert_to_numpy


def normalised():
    """A generator with batch normalisation: it has variables that no gradient moves."""
    z, init = keras.Input((5,)), keras.initializers.GlorotUniform(seed=0)
    h = layers.BatchNormalization()(layers.Dense(12, "relu", kernel_initializer=init)(z))
    return keras.Model(z, layers.Reshape(SHAPE)(layers.Dense(64, "sigmoid", kernel_initializer=init)(h)))


def dense(c=0, logits=1, told=True, spectral=False, **arguments):
    generator = mlp_decoder(SHAPE, (12,), 5, condition_size=c, output_activation="sigmoid")
    critic = mlp_encoder(SHAPE, (12,), logits, activation="leaky_relu", condition_size=c * told, spectral=spectral)
    return GAN(generator, critic, classes=c or None, **arguments)


def convolutional():
    net = dict(shape=SHAPE, filters=(4, 6))
    generator = conv_decoder(**net, code_size=5, output_activation="sigmoid")
    return GAN(
        generator, conv_encoder(**net, code_size=1), loss=Wasserstein(), penalty=GradientPenalty(), critic_steps=2
    )


def projected():
    features = mlp_encoder(SHAPE, (12,), 8, activation="leaky_relu")
    generator = mlp_decoder(SHAPE, (12,), 5, condition_size=CLASSES, output_activation="sigmoid")
    return GAN(generator, projection_critic(features, CLASSES), loss=Hinge(), classes=CLASSES)


VARIANTS = {
    "non-saturating, R1, average": lambda: dense(penalty=R1(1.0), average=0.9, seed=3),
    "minimax, batch normalisation": lambda: GAN(
        normalised(), mlp_encoder(SHAPE, (12,), 1), loss=Minimax(), average=0.5
    ),
    "least squares, condition": lambda: dense(CLASSES, loss=LeastSquares(), critic_steps=2),
    "wasserstein, penalty, convolution": convolutional,
    "hinge, spectral": lambda: dense(loss=Hinge(), spectral=True),
    "hinge, projection": projected,
    "auxiliary": lambda: dense(CLASSES, 1 + CLASSES, told=False, auxiliary=0.5),
}


def compiled(gan):
    rates = [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]
    gan.compile(generator_optimizer=rates[0], critic_optimizer=rates[1])
    gan.build_optimizer()
    return gan


def examples(n=96):
    train = data.digits().train
    return train.x[:n], train.y[:n]


def run(gan, epochs=3, **arguments):
    x, labels = examples()
    condition = {"condition": labels} if gan.classes else {}
    return gan.fit(x, **condition, epochs=epochs, batch_size=16, seed=2, verbose=0, **arguments).history


def state(gan):
    return [numpy(v) for v in (*gan.weights, *gan.optimizer.variables)]


def seen(gan):
    x, labels = examples(12)
    condition = {"condition": labels} if gan.classes else {}
    logits = gan.criticise(x) if gan.auxiliary else gan.criticise(x, **condition)
    return np.concatenate([gan.sample(12, **condition).reshape(12, -1), logits[:, None]], axis=1)


def other_side(folder):
    for name in VARIANTS:
        gan = keras.saving.load_model(folder / f"{name}.keras")
        before = seen(gan)
        losses = run(gan)
        np.savez(folder / f"{name}.npz", *state(gan), before=before, losses=np.array(list(losses.values())))
        gan.save(folder / f"{name}.back.keras")


@pytest.fixture(scope="module")
def folder(elsewhere):
    return elsewhere(__file__, {name: compiled(make()) for name, make in VARIANTS.items()}, fast=True)


@pytest.mark.parametrize("name", VARIANTS)
def test_both_backends_end_at_the_same_weights(name, folder):
    gan = keras.saving.load_model(folder / f"{name}.keras")
    start, theirs = state(gan), np.load(folder / f"{name}.npz")
    np.testing.assert_allclose(seen(gan), theirs["before"], atol=1e-5)
    losses = run(gan)
    np.testing.assert_allclose(np.array(list(losses.values())), theirs["losses"], rtol=1e-4, atol=1e-4)
    for i, (ours, variable) in enumerate(zip(state(gan), gan.weights + gan.optimizer.variables, strict=True)):
        np.testing.assert_allclose(ours, theirs[f"arr_{i}"], atol=1e-5, err_msg=variable.path)
    assert max(np.abs(a - b).max() for a, b in zip(start, state(gan), strict=True)) > 1e-3
    back = keras.saving.load_model(folder / f"{name}.back.keras")
    np.testing.assert_allclose(seen(back), seen(gan), atol=1e-4)
    assert int(back.steps) == int(gan.steps) > 0


# --- files and interruptions ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimax, batch normalisation", "wasserstein, penalty, convolution"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(name, tmp_path, same):
    whole = compiled(VARIANTS[name]())
    history = run(whole, 4)
    for epochs in (1, 3, 4):
        gan = compiled(VARIANTS[name]())
        again = run(gan, epochs, checkpoint=tmp_path / "run.npz")
    same(gan, whole)
    assert again == history
    with pytest.raises(ValueError, match="belongs to another run"):
        run(compiled(dense(seed=1)), 4, checkpoint=tmp_path / "run.npz")


def test_a_loaded_gan_goes_on_as_the_saved_one(tmp_path, same):
    gan = compiled(VARIANTS["non-saturating, R1, average"]())
    run(gan)
    gan.save(tmp_path / "gan.keras")
    back = keras.saving.load_model(tmp_path / "gan.keras")
    same(back, gan)
    np.testing.assert_array_equal(seen(back), seen(gan))
    assert [type(back.loss), type(back.penalty), back.average, back.seed] == [NonSaturating, R1, 0.9, 3]
    assert run(back, 1) == run(gan, 1)
    same(back, gan)


def test_an_optimizer_that_averages_gives_its_player_the_mean():
    gan = dense()
    gan.compile(generator_optimizer=keras.optimizers.Adam(use_ema=True, ema_momentum=0.9))
    run(gan, 1)
    mean = {v.path: v for v in gan.optimizer["generator"].variables if "average" in v.path}
    assert len(mean) == len(gan.generator.trainable_variables)
    for v, average in zip(gan.generator.trainable_variables, mean.values(), strict=True):
        np.testing.assert_array_equal(numpy(v), numpy(average))


def test_a_lost_game_names_the_first_term_and_is_not_kept(tmp_path):
    gan = dense(loss=LeastSquares(), critic_steps=2)
    gan.compile(critic_optimizer=keras.optimizers.SGD(1e6))
    with pytest.raises(FloatingPointError, match=r"in epoch 1 .* The first to go was (critic|generator).*, in step \d"):
        run(gan, 2, checkpoint=tmp_path / "run.npz")
    assert not (tmp_path / "run.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("loss", [Minimax, NonSaturating, LeastSquares, Wasserstein, Hinge])
def test_ten_seeds_of_the_defaults_never_end_in_nan(loss):
    x = synthetic.ring_of_gaussians(2048)[0]
    for seed in range(10):
        net = dict(shape=(2,), hidden=(32, 32), seed=1000 * seed)
        penalty = GradientPenalty() if loss is Wasserstein else None
        critic = mlp_encoder(**net, code_size=1, activation="leaky_relu")
        gan = GAN(mlp_decoder(**net, code_size=2), critic, loss=loss(), penalty=penalty, seed=seed)
        gan.compile()
        gan.fit(x, epochs=30, batch_size=64, seed=seed, verbose=0)
        assert np.isfinite(gan.sample(1000)).all()


# --- refusals -------------------------------------------------------------------------------------------


def critic(**arguments):
    return mlp_encoder(**{"shape": SHAPE, "hidden": (4,), "code_size": 1, **arguments})


def generator(activation="sigmoid", **arguments):
    return mlp_decoder(**{"shape": SHAPE, "hidden": (4,), "code_size": 3, **arguments}, output_activation=activation)


def with_batch_norm():
    inner = keras.Sequential(
        [keras.Input((64,)), layers.Dense(4), layers.BatchNormalization(name="bn"), layers.Dense(1)]
    )
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), inner])


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        (dict(generator=1), TypeError, r"GAN: generator wants a Model such as mlp_decoder"),
        (dict(loss=NonSaturating), TypeError, r"loss wants a AdversarialLoss such as NonSaturating\(\), got <class"),
        (dict(penalty=10.0), TypeError, r"GAN: penalty wants a CriticPenalty such as GradientPenalty\(\), got 10.0"),
        (dict(critic_steps=0), ValueError, "GAN: critic_steps wants a whole number >= 1, got 0"),
        (dict(average=1.0), ValueError, r"GAN: average must lie in \[0, 1\), got 1.0"),
        (dict(auxiliary=-1.0), ValueError, "GAN: auxiliary must be a finite number >= 0, got -1.0"),
        (dict(auxiliary=1.0), ValueError, "auxiliary=1.0 wants classes that the critic can tell"),
        (dict(classes=1), ValueError, "GAN: classes wants a whole number >= 2, got 1"),
        (dict(classes=3), ValueError, r"the generator wants a second input of shape \(3,\), got \[\]"),
        (dict(classes=3, generator=generator(condition_size=3)), ValueError, r"the critic wants a second input"),
        (dict(generator=generator(condition_size=3)), ValueError, r"the generator wants no second input, got \[\(3"),
        (dict(generator=conv_decoder(SHAPE, (4,), 3, grid=True)), ValueError, r"generator, got \[\(4, 4, 3\)\]"),
        (dict(critic=critic(shape=(9, 8, 1))), ValueError, r"generator gives \(8, 8, 1\), the critic takes \(9, 8"),
        (dict(critic=critic(code_size=2)), ValueError, r"a critic with output \(1,\), the logit, got \(2,\)"),
        (dict(critic=with_batch_norm(), penalty=R1(1.0)), ValueError, "R1 bounds the slope at each .*'bn', a Batch"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(parts, error, message):
    parts = {"generator": generator(), "critic": critic(), **parts}
    with pytest.raises(error, match=message):
        GAN(parts.pop("generator"), parts.pop("critic"), **parts)
    GAN(generator(), with_batch_norm())  # without a penalty there is nothing against it


def test_data_and_arguments_that_do_not_fit_are_refused():
    x, labels = examples()
    auxiliary = VARIANTS["auxiliary"]
    conditional = compiled(dense(CLASSES))
    refused = [
        (lambda: GAN(generator(), critic()).fit(x), "has no optimizer yet"),
        (lambda: compiled(dense()).fit(2 * x), "values from 0 to 1, the data go from 0 to 2. Rescale them, or give"),
        (lambda: compiled(dense()).fit(x - 0.1), "values from 0 to 1, the data go from -0.1"),
        (lambda: compiled(GAN(generator("tanh"), critic())).fit(2 * x), "values from -1 to 1, the data go from 0 to 2"),
        (lambda: compiled(dense()).fit(x, condition=labels), "this model is not conditional. Leave condition out"),
        (lambda: conditional.fit(x), "wants condition, 96 whole numbers from 0 to 9, one per example, got none"),
        (lambda: conditional.fit(x, condition=labels + 5), "got 5 to 14"),
        (lambda: conditional.fit(x, condition=labels[:5]), r"got shape \(5,\) of int64"),
        (lambda: conditional.sample(3, condition=[0, 1, 10]), "got 0 to 10"),
        (lambda: conditional.fit(x, labels, condition=labels), "got labels twice, as y and as condition"),
        (lambda: conditional.sample(3, condition=np.ones((3, 10))), "shares of 10 classes must be >= 0 and sum to 1"),
        (lambda: conditional.sample(2, condition=np.eye(10)[:2] * 2 - 0.1), r"sum to 1 in each row, got .* in row 0"),
        (lambda: dense().encode(x, seed=-1), "encode: seed wants a whole number >= 0, got -1"),
        (lambda: auxiliary().criticise(x, labels), "a critic that tells the class is not told it"),
        (lambda: conditional.sample(3, condition=np.ones((3, 9)) / 9), r"got shape \(3, 9\) of float64"),
        (lambda: compiled(dense()).fit(x, validation_data=x), "the samples are. .*Leave validation_data out"),
        (lambda: dense().decode(np.ones((2, 4), "float32")), r"decode: wanted shape \(n, 5\), got \(2, 4\)"),
        (lambda: dense().encode(x, steps=0), "encode: steps wants a whole number >= 1, got 0"),
        (lambda: dense().encode(x, learning_rate=0), "encode: learning_rate must be a positive number, got 0"),
    ]  # fmt: skip
    for call, message in refused:
        with pytest.raises(ValueError, match=message):
            call()
    assert auxiliary().criticise(x).shape == (96,)
    compiled(GAN(generator(None), critic())).fit(50 * x, verbose=0)  # a linear generator reaches anything
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="every player wants an optimizer of its own, got one for several"):
        dense().compile(generator_optimizer=adam, critic_optimizer=adam)
    with pytest.raises(AttributeError, match=r'one for each player: model.optimizer\["critic"\].learning_rate'):
        conditional.optimizer.learning_rate = 0.1
    with pytest.raises(TypeError, match="GAN wants critic_optimizer, generator_optimizer; got optimizer"):
        dense().compile(optimizer="adam")
    with pytest.raises(NotImplementedError, match="evaluate: the losses of players say how they stand"):
        compiled(dense()).evaluate(x)


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
