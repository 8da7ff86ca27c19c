"""How fast aecore trains GANs, side by side with two well-known examples: the same networks, batches and optimizers.

    python benchmarks/gan_speed.py            all cases, a table, and results/gan_speed.json
    python benchmarks/gan_speed.py CASE       one case in this process, its figures as JSON

DCGAN: the TensorFlow tutorial (tensorflow/docs, site/en/tutorials/generative/dcgan.ipynb): its loop, a tf.function that
takes one forward pass of the generator and then both gradients; batches of 256 pictures of 28 x 28. Differs: where
there is an accelerator, XLA compiles aecore's step, as Keras does by default, but not the tutorial's tf.function.
WGAN-GP: the example of keras.io (keras-team/keras-io, examples/generative/wgan_gp.py): its `train_step` under Keras'
`fit`, three steps of the critic for one of the generator; batches of 512. Differs: the mixing weight is uniform, as in
the paper. Theirs shows the critic the same pictures three times, aecore new ones each time.
A step is one update of the generator with the updates of the critic that belong to it. Random pictures, float32,
TensorFlow, the default backend.
"""

import statistics
import time
from pathlib import Path

import numpy as np
from throughput import medians_of_rounds, start, write

STEPS, EPOCHS = {"DCGAN": 4, "WGAN-GP": 2}, 3  # steps of an epoch
RESULT = Path(__file__).parent / "results" / "gan_speed.json"


def pictures(n):
    return 2 * np.random.default_rng(0).random((n, 28, 28, 1), dtype=np.float32) - 1


def pace(marks, steps):
    """Steps per second, from the times of the ends of epochs: the first of them compiles."""
    return {"steps/s": steps / statistics.median(np.diff(marks))}


def fit_pace(model, name, x, batch):
    import keras

    marks = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter()))
    model.fit(x, batch_size=batch, epochs=EPOCHS, callbacks=[clock], verbose=0)
    return pace(marks, STEPS[name])


# --- DCGAN ----------------------------------------------------------------------------------------------

DC_BATCH, DC_NOISE = 256, 100


def dcgan_nets():
    import keras
    from keras import layers

    up = lambda n, stride: layers.Conv2DTranspose(n, 5, stride, "same", use_bias=False)
    normalised = lambda layer: [layer, layers.BatchNormalization(), layers.LeakyReLU()]
    generator = [keras.Input((DC_NOISE,)), *normalised(layers.Dense(7 * 7 * 256, use_bias=False))]
    generator += [layers.Reshape((7, 7, 256)), *normalised(up(128, 1)), *normalised(up(64, 2))]
    generator += [layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh")]
    critic = [keras.Input((28, 28, 1))]
    for n in (64, 128):
        critic += [layers.Conv2D(n, 5, 2, "same"), layers.LeakyReLU(), layers.Dropout(0.3)]
    return keras.Sequential(generator), keras.Sequential([*critic, layers.Flatten(), layers.Dense(1)])


def aecore_dcgan():
    import keras

    from aecore.gan import GAN

    gan = GAN(*dcgan_nets())
    adam = lambda: keras.optimizers.Adam(1e-4)
    gan.compile(generator_optimizer=adam(), critic_optimizer=adam())
    return fit_pace(gan, "DCGAN", pictures(STEPS["DCGAN"] * DC_BATCH), DC_BATCH)


def tutorial_dcgan():
    import keras
    import tensorflow as tf

    generator, critic = dcgan_nets()
    optimizers = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(real):
        noise = tf.random.normal([DC_BATCH, DC_NOISE])
        with tf.GradientTape() as tape, tf.GradientTape() as critic_tape:
            fake = generator(noise, training=True)
            real_logits, fake_logits = critic(real, training=True), critic(fake, training=True)
            loss = cross_entropy(tf.ones_like(fake_logits), fake_logits)
            critic_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            critic_loss += cross_entropy(tf.zeros_like(fake_logits), fake_logits)
        for optimizer, t, value, net in zip(
            optimizers, (tape, critic_tape), (loss, critic_loss), (generator, critic), strict=True
        ):
            gradients = t.gradient(value, net.trainable_variables)
            optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        return loss

    n = STEPS["DCGAN"] * DC_BATCH
    batches, marks = tf.data.Dataset.from_tensor_slices(pictures(n)).shuffle(n).batch(DC_BATCH), []
    for _ in range(EPOCHS):
        for real in batches:
            loss = step(real)
        float(loss)
        marks.append(time.perf_counter())
    return pace(marks, STEPS["DCGAN"])


# --- WGAN-GP --------------------------------------------------------------------------------------------

W_BATCH, W_NOISE, W_CRITIC_STEPS, W_WEIGHT = 512, 128, 3, 10.0


def wgan_nets():
    import keras
    from keras import layers

    leaky = lambda: layers.LeakyReLU(negative_slope=0.2)
    critic = [keras.Input((28, 28, 1)), layers.ZeroPadding2D(2)]
    for n, dropped in ((64, False), (128, True), (256, True), (512, False)):
        critic += [layers.Conv2D(n, 5, 2, "same"), leaky(), *[layers.Dropout(0.3)] * dropped]
    critic += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)]
    generator = [
        keras.Input((W_NOISE,)),
        layers.Dense(4 * 4 * 256, use_bias=False),
        layers.BatchNormalization(),
        leaky(),
    ]
    generator += [layers.Reshape((4, 4, 256))]
    for n, activation in ((128, leaky()), (64, leaky()), (1, layers.Activation("tanh"))):
        generator += [layers.UpSampling2D(2), layers.Conv2D(n, 3, padding="same", use_bias=False)]
        generator += [layers.BatchNormalization(), activation]
    return keras.Sequential([*generator, layers.Cropping2D(2)]), keras.Sequential(critic)


def aecore_wgan():
    import keras

    from aecore.adversarial import GradientPenalty, Wasserstein
    from aecore.gan import GAN

    gan = GAN(*wgan_nets(), loss=Wasserstein(), penalty=GradientPenalty(W_WEIGHT), critic_steps=W_CRITIC_STEPS)
    adam = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9)
    gan.compile(generator_optimizer=adam(), critic_optimizer=adam())
    return fit_pace(gan, "WGAN-GP", pictures(STEPS["WGAN-GP"] * W_CRITIC_STEPS * W_BATCH), W_BATCH)


def example_wgan():
    import keras
    import tensorflow as tf

    generator, critic = wgan_nets()
    adam = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9)
    optimizer, critic_optimizer = adam(), adam()

    class Example(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator, self.critic = generator, critic

        def penalty(self, real, fake):
            between = real + tf.random.uniform((W_BATCH, 1, 1, 1)) * (fake - real)
            with tf.GradientTape() as tape:
                tape.watch(between)
                logits = critic(between, training=True)
            slope = tape.gradient(logits, between)
            return tf.reduce_mean((tf.sqrt(tf.reduce_sum(tf.square(slope), axis=[1, 2, 3])) - 1.0) ** 2)

        def train_step(self, real):
            for _ in range(W_CRITIC_STEPS):
                noise = tf.random.normal((W_BATCH, W_NOISE))
                with tf.GradientTape() as tape:
                    fake = generator(noise, training=True)
                    logits, real_logits = critic(fake, training=True), critic(real, training=True)
                    cost = tf.reduce_mean(logits) - tf.reduce_mean(real_logits) + W_WEIGHT * self.penalty(real, fake)
                gradients = tape.gradient(cost, critic.trainable_variables)
                critic_optimizer.apply_gradients(zip(gradients, critic.trainable_variables, strict=True))
            noise = tf.random.normal((W_BATCH, W_NOISE))
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(critic(generator(noise, training=True), training=True))
            gradients = tape.gradient(loss, generator.trainable_variables)
            optimizer.apply_gradients(zip(gradients, generator.trainable_variables, strict=True))
            return {"critic": cost, "generator": loss}

    model = Example()
    model.compile()
    return fit_pace(model, "WGAN-GP", pictures(STEPS["WGAN-GP"] * W_BATCH), W_BATCH)


CASES = {
    "DCGAN, aecore, TensorFlow": ("tensorflow", aecore_dcgan),
    "DCGAN, TensorFlow's tutorial": ("tensorflow", tutorial_dcgan),
    "WGAN-GP, aecore, TensorFlow": ("tensorflow", aecore_wgan),
    "WGAN-GP, keras.io's example": ("tensorflow", example_wgan),
}
PEERS = {"DCGAN": "DCGAN, TensorFlow's tutorial", "WGAN-GP": "WGAN-GP, keras.io's example"}


def main():
    medians = medians_of_rounds(__file__, CASES)
    print(f"{'case':32}{'steps/s':>10}{'ratio':>8}{'peak, GB':>10}")
    for name, m in medians.items():
        base = medians[PEERS[name.split(",")[0]]]["steps/s"]
        print(f"{name:32}{m['steps/s']:10.2f}{m['steps/s'] / base:8.2f}{m['peak memory, GB']:10.2f}")
    write(RESULT, medians)


if __name__ == "__main__":
    start(CASES, main, __doc__)
