"""How far samples are from held-out pictures: every loss of chapter 13 on one budget, and latent models beside a VAE
and a GAN (chapter 15). Runs for hours; goes on where it stopped.

    python benchmarks/gan_mnist.py losses --minutes 60
    python benchmarks/gan_mnist.py losses --dense 256 256 --epochs 10    dense networks, fewer passes
    python benchmarks/gan_mnist.py models --minutes 60 --seeds 0 1 2
    python benchmarks/gan_mnist.py models --data digits --epochs 30    minutes, no network

One budget: the same decoder and critic (or encoder) and the same passes over the training part for all; convolutions
with Adam(2e-4, beta_1=0.5), dense networks with Adam(5e-4, beta_1=0.5). A critic makes the same number of updates under
every loss, a generator under five critic steps a fifth of them. Density models of codes (Gaussian, mixture, flow) come
on top of their autoencoder's passes; the flow is trained by Adam(1e-3).

Distances are taken in the features of one classifier, trained on the training part with seed 0: as many samples as
there are validation pictures, against the test part. The floor is the distance of the validation pictures themselves.

A call stops after an epoch when its minutes are over and writes results/gan_mnist.json (gan_digits.json) after every
run: rows of part, name, seed, epochs, network, minutes, frechet, kernel, precision, recall; of a
run whose loss became NaN, `diverged` in their place. The minutes of the four rows of one autoencoder are those of it
and its flow together. Called again it does what is missing; half-finished runs go on from their checkpoints, in the
folder that --work names.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from published_vae import Budget, device
from throughput import versions

import aecore
from aecore import VAE, Autoencoder, _backend, data, metrics
from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from aecore.classifier import Classifier
from aecore.flow import Flow
from aecore.gan import GAN
from aecore.hybrids import VAEGAN, AdversarialAutoencoder, BiGAN
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from aecore.objectives import Gaussian

import keras  # isort: skip

RESULTS = Path(__file__).parent / "results"
CODE, BATCH = 32, 128
EPOCHS = {"mnist": 40, "digits": 200}
COMPONENTS = 50  # of the mixture


class Study:
    """The data, the judge, the time that is left, and the rows that are done."""

    def __init__(self, given):
        self.data, self.epochs = getattr(data, given.data)(), given.epochs or EPOCHS[given.data]
        kind, sizes = ("dense", given.dense) if given.dense else ("conv", given.filters)
        self.sizes, self.network = tuple(sizes), f"{kind} {', '.join(map(str, sizes))}"
        self.x, self.shape = self.data.train.x, self.data.train.x.shape[1:]
        self.path, self.work = RESULTS / f"gan_{given.data}.json", given.work / f"gan_{given.data}"
        self.end = time.perf_counter() + 60 * given.minutes
        net = conv_encoder(self.shape, (32, 64), 128, code_activation="relu")
        self.minutes = 0.0  # of training, in this run of the study or in earlier calls
        self.judge = self.fit(Classifier(net, 10), "judge", (self.x, self.data.train.y), epochs=10, optimizer="adam")
        self.samples, self.floor = len(self.data.validation.x), self.measure(self.data.validation.x)
        self.rows = json.loads(self.path.read_text())["rows"] if self.path.exists() else []

    def fit(self, model, label, arrays, *, epochs=None, seed=0, optimizer=None):
        """Train up to the end of the epochs, or leave by SystemExit when the time is over. Returns: the model."""
        model.compile(**self.optimizers(model)) if optimizer is None else model.compile(optimizer)
        epochs = epochs or self.epochs
        hooks = [Budget(self.end - time.perf_counter())]
        run = self.work / f"{self.network}_{label}_{epochs}.npz".replace(", ", "-").replace(" ", "_")
        clock, start = run.with_suffix(".minutes"), time.perf_counter()
        before = float(clock.read_text()) if clock.exists() and run.exists() else 0.0
        print(run.stem, flush=True)
        history = model.fit(*arrays, epochs=epochs, batch_size=BATCH, seed=seed, checkpoint=run, callbacks=hooks)
        minutes = before + (time.perf_counter() - start) / 60
        clock.write_text(f"{minutes:.3f}")
        self.minutes += minutes
        if len(next(iter(history.history.values()))) < epochs:
            sys.exit("The minutes are over. Call again to go on.")
        return model

    def optimizers(self, game):
        return {f"{player}_optimizer": self.adam() for player in game.players()}

    def adam(self):
        return keras.optimizers.Adam(5e-4 if self.network.startswith("dense") else 2e-4, beta_1=0.5)

    def measure(self, x):
        """Distances between pictures and the test part, in the judge's features."""
        ours, reference = self.judge.features(x), self.judge.features(self.data.test.x)
        figures = dict(zip(("precision", "recall"), metrics.precision_recall(reference, ours), strict=True))
        figures["frechet"] = metrics.frechet_distance(ours, reference)
        figures["kernel"] = metrics.kernel_distance(ours, reference)
        return {name: float(f"{figure:.4g}") for name, figure in figures.items()}

    def missing(self, part, names, seed):
        had = [tuple(row[key] for key in ("part", "name", "seed", "epochs", "network")) for row in self.rows]
        return [name for name in names if (part, name, seed, self.epochs, self.network) not in had]

    def write(self, part, seed, figures):
        """Keep rows. Args: figures, name -> what `measure` returned."""
        for name, row in figures.items():
            about = {"part": part, "name": name, "seed": seed, "epochs": self.epochs, "network": self.network}
            self.rows.append({**about, "minutes": round(self.minutes, 1), **row})
            print(self.rows[-1], flush=True)
        record = {
            "figure": "distances of samples to held-out pictures, in the features of one classifier; lower is better",
            "features": "128, of a convolutional classifier trained on the training part, seed 0",
            "accuracy_of_the_classifier": self.judge.accuracy(*self.data.test), "samples": self.samples,
            "reference": f"the {len(self.data.test.x)} test pictures", "floor": self.floor,
            "floor_is": "the validation pictures, as many as samples", "device": device(),
            "date": time.strftime("%Y-%m-%d"), "backend": _backend.version(),
            "versions": {"aecore": aecore.__version__, **versions()}, "rows": self.rows,
        }  # fmt: skip
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(record, indent=1) + "\n")


def decoder(study, seed):
    make = mlp_decoder if study.network.startswith("dense") else conv_decoder
    return make(study.shape, study.sizes, CODE, activation="relu", output_activation="sigmoid", seed=seed)


def encoder(study, seed, size=CODE, activation="relu", **arguments):
    make = mlp_encoder if study.network.startswith("dense") else conv_encoder
    return make(study.shape, study.sizes, size, activation=activation, seed=seed, **arguments)


def critic(study, seed, **arguments):
    return encoder(study, seed + 500, 1, "leaky_relu", **arguments)


GANS = {  # name -> the critic's arguments and the GAN's
    "minimax": lambda: ({}, {"loss": Minimax()}),
    "non-saturating": lambda: ({}, {"loss": NonSaturating()}),
    "non-saturating, R1": lambda: ({}, {"loss": NonSaturating(), "penalty": R1(1.0)}),
    "least squares": lambda: ({}, {"loss": LeastSquares()}),
    "Wasserstein, gradient penalty": lambda: (
        {}, {"loss": Wasserstein(), "penalty": GradientPenalty(), "critic_steps": 5}
    ),
    "hinge, spectral": lambda: ({"spectral": True}, {"loss": Hinge()}),
}  # fmt: skip


def gan(study, name, seed):
    of_critic, of_gan = GANS[name]()
    model = GAN(decoder(study, seed), critic(study, seed, **of_critic), average=0.999, seed=seed, **of_gan)
    return study.fit(model, f"gan_{list(GANS).index(name)}_{seed}", (study.x,), seed=seed)


def latent(study, seed):
    """One autoencoder, and four densities of its codes."""
    from sklearn.mixture import GaussianMixture

    ae = Autoencoder(encoder(study, seed), decoder(study, seed))
    study.fit(ae, f"ae_{seed}", (study.x,), seed=seed, optimizer=study.adam())
    codes = ae.encode(study.x).astype("float64")
    mean, covariance = codes.mean(axis=0), np.cov(codes.T)
    mixture = GaussianMixture(COMPONENTS, random_state=seed).fit(codes)
    flow = Flow(mlp_encoder((CODE,), (512, 512), CODE, condition_size=1, seed=seed), seed=seed)
    study.fit(flow, f"flow_{seed}", (codes.astype("float32"),), seed=seed, optimizer=keras.optimizers.Adam(1e-3))
    decode = lambda z: ae.decode(z.astype("float32"))
    rng = np.random.default_rng
    return {
        "AE, N(0, I)": lambda n, seed: decode(rng(seed).standard_normal((n, CODE))),
        "AE, Gaussian": lambda n, seed: decode(rng(seed).multivariate_normal(mean, covariance, n)),
        f"AE, mixture of {COMPONENTS}": lambda n, seed: decode(mixture.sample(n)[0]),
        "AE, flow": lambda n, seed: decode(flow.sample(n, seed=seed)),
    }


def single(build, label, game=True):
    """A model that samples by itself, as a study of one row. Args: game, whether it has several players."""

    def run(study, seed):
        optimizer = None if game else study.adam()
        model = study.fit(build(study, seed), f"{label}_{seed}", (study.x,), seed=seed, optimizer=optimizer)
        return {label: model.sample}

    return run


def vae(study, seed):
    return VAE(encoder(study, seed, 2 * CODE), decoder(study, seed), likelihood=Gaussian(0.1, learned=True), seed=seed)


def aae(study, seed):
    judge = mlp_encoder((CODE,), (256, 256), 1, activation="leaky_relu", seed=seed + 500)
    return AdversarialAutoencoder(encoder(study, seed), decoder(study, seed), judge, seed=seed)


def vaegan(study, seed):
    nets = encoder(study, seed, 2 * CODE), decoder(study, seed), critic(study, seed)
    return VAEGAN(*nets, weight=0.1, scale=0.3, penalty=R1(1.0), seed=seed)


def bigan(study, seed):
    judge = critic(study, seed, condition_size=CODE)
    return BiGAN(encoder(study, seed), decoder(study, seed), judge, penalty=R1(1.0), seed=seed)


MODELS = {  # the rows of a run -> the run
    ("AE, N(0, I)", "AE, Gaussian", f"AE, mixture of {COMPONENTS}", "AE, flow"): latent,
    ("VAE",): single(vae, "VAE", game=False),
    ("GAN",): lambda study, seed: {"GAN": gan(study, "non-saturating, R1", seed).sample},
    ("adversarial AE",): single(aae, "adversarial AE"),
    ("VAE-GAN",): single(vaegan, "VAE-GAN"),
    ("BiGAN",): single(bigan, "BiGAN"),
}


def main(given):
    study = Study(given)
    runs = MODELS
    if given.part == "losses":
        runs = {(name,): lambda study, seed, name=name: {name: gan(study, name, seed).sample} for name in GANS}
    for seed in given.seeds:
        for names, run in runs.items():
            if missing := study.missing(given.part, names, seed):
                study.minutes = 0.0
                try:
                    samplers = run(study, seed)
                    figures = {name: study.measure(samplers[name](study.samples, seed=seed)) for name in missing}
                except FloatingPointError as error:  # a result too
                    print(error, flush=True)
                    figures = {name: {"diverged": True} for name in missing}
                study.write(given.part, seed, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("losses", "models"))
    parser.add_argument("--minutes", type=float, default=60.0, help="of training in this call")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", choices=EPOCHS, default="mnist")
    parser.add_argument("--epochs", type=int, help="passes over the training part; default 40, digits 200")
    parser.add_argument("--filters", type=int, nargs="+", default=[64, 128], help="of the convolutions; default 64 128")
    parser.add_argument("--dense", type=int, nargs="+", help="hidden layers; in place of convolutions")
    parser.add_argument("--work", type=Path, default=Path("~/.cache/aecore").expanduser(), help="for checkpoints")
    main(parser.parse_args())
