"""How fast aecore trains a VAE and evaluates it, side by side with the same VAE written by hand and with peers.

    python benchmarks/vae_speed.py            all cases, a table, and results/vae_speed.json
    python benchmarks/vae_speed.py CASE       one case in this process, its figures as JSON

The work: a VAE 784-400-20-400-784 (ReLU; 20 means and 20 log variances), Bernoulli likelihood, Adam 1e-3, batches of
128 out of 25,600 random black-and-white pictures in memory, float32, shuffled anew in every epoch. PyTorch's loop is
that of pytorch/examples `vae/main.py`, with the cross-entropy taken from logits; pythae has the same networks and its
own `forward`; each is measured where it is installed. Evaluation: seconds for 1,000 pictures, of the importance
bound with 200 codes each, and of annealed importance sampling with 4 chains, 50 temperatures and 5 leapfrog steps.
"""

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from throughput import (
    BATCH,
    LEARNING_RATE,
    N,
    epochs,
    fit_pace,
    medians_of_rounds,
    pictures,
    start,
    write,
)

CODE, HIDDEN = 20, 400
RESULT = Path(__file__).parent / "results" / "vae_speed.json"


def black_and_white():
    return np.round(pictures())


def seconds_per_thousand(fn, x):
    """The faster of two runs: the first one compiles, too."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        fn(x)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1000 / len(x)


def aecore_case():
    import keras

    from aecore import VAE, estimators, networks

    net = {"shape": (28, 28, 1), "hidden": (HIDDEN,), "activation": "relu"}
    model = VAE(networks.mlp_encoder(**net, code_size=2 * CODE), networks.mlp_decoder(**net, code_size=CODE))
    model.compile(keras.optimizers.Adam(LEARNING_RATE))
    x = black_and_white()
    anneal = lambda a: estimators.ais(model, a, chains=4, betas=estimators.sigmoid_betas(50), leapfrog=5)
    return {
        "train": fit_pace(model, x),
        "importance bound, s": seconds_per_thousand(lambda a: model.log_prob(a, samples=200), x[:1000]),
        "AIS, s": seconds_per_thousand(anneal, x[:100]),
    }


def tf_function_case(jit_compile):
    import keras
    import tensorflow as tf
    from keras import layers

    picture = keras.Input((28, 28, 1))
    h = layers.Dense(HIDDEN, "relu")(layers.Flatten()(picture))
    encoder = keras.Model(picture, [layers.Dense(CODE)(h), layers.Dense(CODE)(h)])
    decoder = keras.Sequential(
        [keras.Input((CODE,)), layers.Dense(HIDDEN, "relu"), layers.Dense(784), layers.Reshape((28, 28, 1))]
    )
    weights = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(weights)

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            mean, log_var = encoder(x, training=True)
            z = mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))
            nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=decoder(z, training=True))
            kl = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1)
            loss = tf.reduce_mean(tf.reduce_sum(nll, axis=(1, 2, 3)) + kl)
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    data = tf.data.Dataset.from_tensor_slices(black_and_white())
    return {"train": epochs(data.shuffle(N).batch(BATCH, drop_remainder=True).prefetch(8), step)}


class TorchBatches:
    def __init__(self, x):
        self.x = x

    def __iter__(self):
        import torch

        return (self.x[rows] for rows in torch.randperm(N).split(BATCH))


def torch_case():
    import torch
    from torch import nn

    encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * CODE))
    decoder = nn.Sequential(nn.Linear(CODE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], LEARNING_RATE)

    def step(x):
        optimizer.zero_grad()
        mean, log_var = encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        nll = nn.functional.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        loss = (nll + kl) / BATCH
        loss.backward()
        optimizer.step()
        return loss

    return {"train": epochs(TorchBatches(torch.from_numpy(black_and_white().reshape(N, 784))), step)}


def pythae_case():
    import torch
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from torch import nn

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, HIDDEN), nn.ReLU())
            self.mean, self.log_var = nn.Linear(HIDDEN, CODE), nn.Linear(HIDDEN, CODE)

        def forward(self, x):
            h = self.body(x)
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(CODE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784), nn.Sigmoid())

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z).reshape(-1, 1, 28, 28))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=CODE, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def step(x):
        optimizer.zero_grad()
        loss = model({"data": x}).loss
        loss.backward()
        optimizer.step()
        return loss

    return {"train": epochs(TorchBatches(torch.from_numpy(black_and_white().reshape(N, 1, 28, 28))), step)}


CASES = {
    "aecore, TensorFlow": ("tensorflow", aecore_case),
    "aecore, JAX": ("jax", aecore_case),
    "hand-written tf.function": ("tensorflow", lambda: tf_function_case(False)),
    "hand-written tf.function, XLA": ("tensorflow", lambda: tf_function_case(True)),
    "PyTorch, eager": ("tensorflow", torch_case),
    "pythae": ("tensorflow", pythae_case),
}
NEEDS = {"PyTorch, eager": "torch", "pythae": "pythae"}


def main():
    names = [name for name in CASES if name not in NEEDS or find_spec(NEEDS[name])]
    medians = medians_of_rounds(__file__, names)
    base = medians["hand-written tf.function"]["train"]
    print(f"{'case':32}{'train':>12}{'ratio':>8}{'importance bound':>18}{'AIS':>8}{'peak':>8}")
    print(f"{'':32}{'examples/s':>12}{'':>8}{'s per 1,000':>18}{'':>8}{'GB':>8}")
    for name, m in medians.items():
        extra = f"{m['importance bound, s']:18.2f}{m['AIS, s']:8.1f}" if "AIS, s" in m else " " * 26
        print(f"{name:32}{m['train']:12,.0f}{m['train'] / base:8.2f}{extra}{m['peak memory, GB']:8.2f}")
    write(RESULT, medians)


if __name__ == "__main__":
    start(CASES, main, __doc__)
