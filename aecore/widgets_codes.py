"""Live figures of codes with many parts: one latent at a time, one token at a time. Needs anywidget."""

import keras
import numpy as np
import traitlets

from aecore import export
from aecore.data import check_examples, check_whole
from aecore.divergences import gaussian_kl
from aecore.vq import check_tokens
from aecore.widgets import Live, _module

ACTIVE = 0.01  # variance of a latent's mean over the data (Burda et al. 2016, section 5.2)


class Traversals(Live):
    """Pick an example and move single latents of its code: pictures along each, most active latents first.

    The activity of a latent is mean over the data of KL(q(z_j | x) || N(0, 1)) for a model whose `encode` gives a
    distribution (VAE), and the variance of the code unit for one whose `encode` gives codes (Autoencoder). A latent
    is called inactive where the variance of its mean over the data is below 0.01.

    Args:
        model: VAE or Autoencoder of images of 1 or 3 channels.
        examples: data, (n, h, w, c), some hundreds: they give activities and ranges; the first ten can be picked.
        latents: how many are shown, at most 64.
        steps: pictures along each, 2 to 15.
        reach: how far they go: standard deviations of N(0, 1) for a VAE, of the data's codes for an Autoencoder;
            further where an example lies further out.
        title: what the figure is, for screen readers.
    Traits: example, from 0: the one that was picked; code, the d values at the sliders.
    Raises: ValueError where shapes do not fit, or where the page cannot run the decoder.
    Chapter 11.
    """

    _esm = _module("traversals")
    example = traitlets.Int(0).tag(sync=True)
    code = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, model, examples, latents=10, steps=7, reach=3.0, title="Traversals of single latents"):
        latents, steps = check_whole("Traversals", latents=latents, steps=steps)
        if latents > 64 or not 2 <= steps <= 15 or not 0 < reach < np.inf:
            raise ValueError(
                f"Traversals: wanted at most 64 latents, 2 to 15 steps and a reach > 0, got latents={latents}, "
                f"steps={steps}, reach={reach}."
            )
        export.check_unconditional(model)
        examples = check_examples(examples, model.shape, "Traversals")
        mean, log_var = export.posterior(model.encode(examples))
        variance = mean.var(axis=0)
        if log_var is None:
            activity, middle, width = variance, mean.mean(axis=0), reach * np.sqrt(variance)
        else:
            kl = gaussian_kl(mean[..., None], log_var[..., None])  # (n, d): of each latent by itself
            activity = keras.ops.convert_to_numpy(kl).mean(axis=0)
            middle, width = np.zeros(mean.shape[1]), np.full(mean.shape[1], float(reach))
        shown = slice(10)
        width = np.maximum(width, np.abs(mean[shown] - middle).max(axis=0)) + 1e-3  # no example's slider is at its end
        ends, buffer = np.stack([middle - width, middle + width]), export.Buffer()
        distribution = {} if log_var is None else {"log_var": buffer.numbers(log_var[shown])}
        super().__init__(
            title,
            buffer,
            decoder=export.decoder(model, buffer),
            examples=buffer.pixels(examples[shown]),
            mean=buffer.numbers(mean[shown]),
            **distribution,
            order=np.argsort(-activity, kind="stable")[:latents].tolist(),
            activity=activity.tolist(),
            active=(variance > ACTIVE).tolist(),
            ranges=ends.T.tolist(),
            steps=steps,
            probe={"decoder": export.probe(model.decode, ends, buffer)},
        )


class Tokens(Live):
    """The grid of tokens that stands for a picture: change one by hand and see what the decoder makes of it.

    Each token is drawn as its patch: the mean, over all its uses in `examples`, of what stands at its place in the
    decoded picture; for a token that is never used, the patch at the middle of a picture of that token alone.

    Args:
        model: VQVAE of images of 1 or 3 channels, with a grid of two axes that divides them evenly.
        examples: data, (n, h, w, c), some hundreds: they give patches and counts; the first ten can be picked.
        samples: grids of tokens that a prior drew, (m, *grid), at most 100, or None. The page shows them as what
            they are, drawn beforehand: it does not run the prior.
        title: what the figure is, for screen readers.
    Traits: tokens, the grid as it is shown, row by row.
    Raises: ValueError where shapes do not fit, or where the page cannot run the decoder.
    Chapter 12.
    """

    _esm = _module("tokens")
    tokens = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, model, examples, samples=None, title="Tokens"):
        examples = check_examples(examples, model.shape, "Tokens")
        grid, codes = tuple(model.grid), int(model.quantiser.codes)
        if len(grid) != 2 or model.shape[0] % grid[0] or model.shape[1] % grid[1]:
            raise ValueError(f"Tokens: wanted a grid of two axes that divides {model.shape} evenly, got {grid}.")
        height = model.shape[0] // grid[0]
        if codes > 1024 or codes * height > 30000:
            raise ValueError(
                f"Tokens: a palette has room for 1024 codes of small patches, got {codes} of {height} pixels in "
                "height. Train with fewer codes."
            )
        drawn = None if samples is None else check_tokens(samples, grid, codes, "Tokens (samples)")
        if drawn is not None and len(drawn) > 100:
            raise ValueError(f"Tokens: wanted at most 100 samples, got {len(drawn)}. Show fewer.")
        tokens = model.encode(examples)
        patches, used = _patches(model, tokens)
        buffer = export.Buffer()
        decode = lambda places: model.decode(np.rint(places).astype("int32").reshape(-1, *grid))
        cells = np.array([[0.0], [codes - 1.0]]).repeat(np.prod(grid), axis=1)
        super().__init__(
            title,
            buffer,
            decoder=export.token_decoder(model, buffer),
            examples=buffer.pixels(examples[:10]),
            tokens=buffer.exact(tokens[:10]),
            **({} if drawn is None else {"samples": buffer.exact(drawn)}),
            patches=buffer.pixels(np.clip(patches, 0, 1)),
            used=used.tolist(),
            probe={"decoder": export.probe(decode, cells, buffer)},
        )


def _patches(model, tokens):
    """What each token stands for, (k, h, w, c), and how often it is used, (k,)."""
    (rows, columns), codes = model.grid, int(model.quantiser.codes)
    height, width, channels = model.shape[0] // rows, model.shape[1] // columns, model.shape[2]

    def cut(pictures):
        parts = pictures.reshape(-1, rows, height, columns, width, channels)
        return parts.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)

    used = np.bincount(tokens.ravel(), minlength=codes)
    sums = np.zeros((codes, height, width, channels))
    np.add.at(sums, tokens.ravel(), cut(model.decode(tokens)))
    alone = model.decode(np.arange(codes, dtype="i4")[:, None, None].repeat(rows, 1).repeat(columns, 2))
    middle = cut(alone).reshape(codes, rows, columns, height, width, channels)[:, rows // 2, columns // 2]
    return np.where((used > 0)[:, None, None, None], sums / np.maximum(used, 1)[:, None, None, None], middle), used
