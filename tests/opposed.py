"""Small autoencoders with a critic, and the same networks in NumPy."""

import keras
import numpy as np

from aecore.hybrids import VAEGAN, AdversarialAutoencoder, BiGAN
from aecore.networks import mlp_decoder, mlp_encoder

PARTS = ("encoder", "decoder", "critic")
D, d, RATE = 3, 2, 0.1
X = np.random.default_rng(0).uniform(0.1, 0.9, (20, D)).astype("float32")


def build(kind, stochastic=False, shape=(D,), size=d, hidden=(5,), **arguments):
    net = dict(shape=shape, hidden=hidden, activation="tanh")
    sees = {AdversarialAutoencoder: ((size,), 0), VAEGAN: (shape, 0), BiGAN: (shape, size)}[kind]
    critic = mlp_encoder(sees[0], hidden, 1, condition_size=sees[1], activation="tanh", seed=7)
    encoder = mlp_encoder(**net, code_size=size * (1 + (stochastic or kind is VAEGAN)))
    return kind(encoder, mlp_decoder(**net, code_size=size, seed=3), critic, **arguments)


def with_sgd(model, rate=RATE):
    model.compile(**{f"{player}_optimizer": keras.optimizers.SGD(rate) for player in model.players()})
    return model


def weights(model):
    return {(part, i): w for part in PARTS for i, w in enumerate(getattr(model, part).get_weights())}


def run(p, part, *inputs):
    """The last hidden layer and the output of a dense network with tanh."""
    w, v, u, c = (p[part, i] for i in range(4))
    h = np.tanh(np.concatenate(inputs, axis=1) @ w + v)
    return h, h @ u + c


def logit(p, *seen):
    return run(p, "critic", *seen)[1][:, 0]
