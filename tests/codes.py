"""What the tests of figures of codes share: small models with a distribution or tokens for a code, untrained."""

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
