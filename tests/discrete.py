"""What the tests of discrete codes share: small models, and the nearest code by a loop."""

import keras
import numpy as np

from aecore.networks import conv_decoder, conv_encoder
from aecore.vq import VQVAE, CodePrior

numpy = keras.ops.convert_to_numpy
normal = keras.initializers.RandomNormal(stddev=1.0, seed=3)


def small(quantiser, likelihood=None, optimizer=None, seed=0, fused=None):
    net = dict(shape=(8, 8, 1), filters=(4,), code_size=quantiser.size, grid=True, seed=seed)
    model = VQVAE(conv_encoder(**net), conv_decoder(**net), quantiser, likelihood=likelihood)
    model.compile(optimizer or keras.optimizers.SGD(1e-2), jit_compile=fused)
    return model


def small_prior(codes=3, grid=(2, 2), dropout=0.0, rate=0.01):
    prior = CodePrior(grid, codes, width=8, heads=2, blocks=1, dropout=dropout)
    prior.compile(keras.optimizers.Adam(rate))
    return prior


def nearest(z, codebook):
    """Token of each vector, by a loop over all pairs: (..., d) -> (...)."""
    flat = z.reshape(-1, z.shape[-1])
    tokens = [min(range(len(codebook)), key=lambda i: ((v - codebook[i]) ** 2).sum()) for v in flat.astype("float64")]
    return np.array(tokens).reshape(z.shape[:-1])
