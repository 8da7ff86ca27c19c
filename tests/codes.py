"""What the tests of figures of codes share: small models with a distribution or tokens for a code, untrained."""

import numpy as np

from aecore.flow import Flow
from aecore.gan import GAN
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import Gaussian
from aecore.quantisers import VectorQuantiser
from aecore.vae import VAE
from aecore.vq import VQVAE


def small_vae(size, seed=0, **parts):
    net = dict(shape=(8, 8, 1), hidden=(6,), seed=seed)
    condition = {"condition_size": parts["classes"]} if "classes" in parts else {}
    encoder, decoder = (
        mlp_encoder(**net, code_size=2 * size, **condition),
        mlp_decoder(**net, code_size=size, **condition),
    )
    return VAE(encoder, decoder, **{"likelihood": Gaussian(0.3), **parts})


def small_vq(quantiser=None):
    """Codes of a grid of 4 x 4."""
    quantiser = quantiser or VectorQuantiser(9, 3, initializer="random_normal")
    net = dict(shape=(8, 8, 1), filters=(4,), code_size=quantiser.size, grid=True)
    return VQVAE(conv_encoder(**net), conv_decoder(**net), quantiser)


def small_gan(classes=3, shape=(8, 8, 1), output_activation="sigmoid", **parts):
    """Noise of 2, a dense generator with random biases."""
    net = dict(shape=shape, hidden=(6,), condition_size=classes or 0)
    generator = mlp_decoder(**net, code_size=2, output_activation=output_activation)
    generator.set_weights(
        [w + np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(generator.get_weights())]
    )
    return GAN(generator, mlp_encoder(**net, code_size=1), classes=classes, **parts)


def small_flow(classes=None, seed=0):
    """Codes of 2; it knows a mean and a scale, and its velocity is nowhere zero."""
    flow = Flow(mlp_encoder((2,), (7,), 2, condition_size=1 + (classes or 0), seed=seed), classes=classes)
    flow.velocity.set_weights([w + 0.1 for w in flow.velocity.get_weights()])
    flow.mean.assign([0.5, -1.0])
    flow.scale.assign([2.0, 0.5])
    return flow
