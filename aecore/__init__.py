"""aecore: the autoencoders that the book "Autoencoders, from Codes to Objects" runs on."""

from aecore import _backend as _backend  # isort: skip # before anything loads Keras
from aecore import adversarial, corruption, data, distributions, layers, metrics, networks, objectives, synthetic
from aecore._version import __version__ as __version__
from aecore.ae import Autoencoder
from aecore.gan import GAN
from aecore.profile import cost, start
from aecore.vae import VAE

__all__ = [
    "GAN", "VAE", "Autoencoder", "adversarial", "corruption", "cost", "data", "distributions", "layers", "metrics",
    "networks", "objectives", "start", "synthetic",
]  # fmt: skip
