"""A flow: a velocity field that carries noise to codes, on paths that can be made straight. Chapter 15."""

from collections import deque

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_condition, check_examples, check_whole
from aecore.objectives import sum_over_event
from aecore.training import Model, check_kind, in_chunks

AT_ONCE = 4096  # codes whose velocity is computed in one call


@keras.saving.register_keras_serializable("aecore")
class Flow(Model):
    """A density of codes: N(0, I), carried along by a velocity field from time 0 to time 1.

        dz / dt = v(z, t),   z_0 ~ N(0, I),   z_1 ~ codes
        L = E |v(z_t, t) - (z_1 - z_0)|^2,   z_t = (1 - t) z_0 + t z_1,   t ~ U[0, 1]

    The best v(z, t) is the mean of z_1 - z_0 over all the straight lines through z at time t. Its loss is what these
    lines differ by, where they cross, and not 0: (pi / 2) tr C^(1/2) for codes of covariance C, if they are Gaussian.
    Each coordinate of the codes is standardised by the mean and scale that it has in the first call of `fit`.

    Reported while training: `flow`, the loss, in standardised units, summed over the coordinates.

    Args:
        velocity: keras.Model, [(b, *shape), (b, 1)] -> (b, *shape): v(z, t). With classes its second input is
            (b, 1 + c), the time and then the class. mlp_encoder((d,), hidden, d, condition_size=1 + c).
        classes: c >= 2, labels 0..c-1, one flow for each; `fit` and all verbs then want `condition`. None: none.
        seed: owns the noise and the times of training, which Keras draws: other ones on each backend.
    Raises: ValueError where the velocity does not fit, TypeError where it is of another kind.
    Source: Liu et al. 2023, equation 1 and algorithm 1; Lipman et al. 2023, with the smallest scale at time 1 set to 0.
        Chapter 15.

    Example:
        flow = Flow(mlp_encoder((16,), (128, 128), 16, condition_size=1))
        flow.compile("adam")
        flow.fit(codes, epochs=100)         # (n, 16), of any autoencoder
        ae.decode(flow.sample(10))          # ten new pictures
    """

    arguments = ("velocity", "classes", "seed")

    def __init__(self, velocity, *, classes=None, seed=0, **kwargs):
        super().__init__(terms=["flow"], **kwargs)
        example = "mlp_encoder((d,), hidden, d, condition_size=1)"
        check_kind("Flow", "velocity", velocity, keras.Model, example)
        if classes is not None:
            check_whole("Flow", at_least=2, classes=classes)
        check_whole("Flow", at_least=0, seed=seed)
        self.velocity, self.classes, self.seed = velocity, classes, seed
        self.shape = tuple(velocity.inputs[0].shape[1:])
        _check_velocity(velocity, self.shape, 1 + (classes or 0))
        self.mean = self.add_weight(self.shape, initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(self.shape, initializer="zeros", trainable=False, name="scale")  # until fitted
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True
        z, t = keras.KerasTensor((None, *self.shape)), keras.KerasTensor((None,))
        labels = [] if classes is None else [keras.KerasTensor((None,), "int32")]
        self.velocity_batch = _backend.fast(self.velocity_at, self, z, t, *labels)

    def velocity_at(self, z, t, condition=None, training=False):
        """v(z, t) on tensors, in standardised units: z (b, *shape), t (b,), labels (b,) -> (b, *shape)."""
        given = t[:, None]
        if condition is not None:
            given = ops.concatenate([given, ops.one_hot(condition, self.classes)], axis=1)  # (b, 1 + c)
        return self.velocity([z, given], training=training)

    def call(self, inputs, training=False):
        z_1 = (inputs["codes"] - self.mean) / self.scale
        z_0 = inputs["noise"] if "noise" in inputs else keras.random.normal(ops.shape(z_1), seed=self.noise)
        t = keras.random.uniform((ops.shape(z_1)[0],), seed=self.noise)
        line = z_1 - z_0  # (b, *shape)
        z_t = z_0 + ops.reshape(t, (-1, *(1 for _ in self.shape))) * line
        return {"line": line, "velocity": self.velocity_at(z_t, t, inputs.get("condition"), training)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        return self.total(sample_weight, flow=(sum_over_event(ops.square(y_pred["velocity"] - y_pred["line"])), 1.0))

    def fit(self, codes, condition=None, *, noise=None, **kwargs):
        """Train. A second call goes on, with the mean and scale of the first one.

        Args: codes, (n, *shape), and condition, labels (n,); noise, (n, *shape), to carry to each of the codes; None
            draws it anew at every step; further ones as `Model.fit`. Validation data, codes or (codes, labels), get
            noise of their own.
        """
        return super().fit({"codes": codes} if noise is None else {"codes": codes, "noise": noise}, condition, **kwargs)

    def evaluate(self, x, *args, **kwargs):
        """The mean of the loss over codes, as a dict, with fresh noise. Args: as `fit`."""
        self._check_fitted("evaluate")
        return super().evaluate(x, *args, **kwargs)

    def batches(self, arrays, batch_size, seed):
        if not self.fitted:  # here, where all is checked: a run that is refused leaves no trace
            codes = arrays[0]["codes"]
            self.mean.assign(codes.mean(axis=0, dtype="float64"))
            self.scale.assign(np.where(np.ptp(codes, axis=0) > 0, codes.std(axis=0, dtype="float64"), 1.0))
        return super().batches(arrays, batch_size, seed)

    def reflow(self, n, *, steps=100, seed=0, condition=None, **kwargs):
        """Make the paths straighter: train on n pairs of noise and the codes that the flow itself carries it to.

        Args: n; steps of each path; seed, of noise and training; condition, (n,); further ones as `Model.fit`.
        Source: Liu et al. 2023, section 2.1: the same ends, joined by lines that do not cross.
        """
        noise = self.draw(n, seed)
        codes = self._end("reflow", noise, steps, condition)
        return self.fit(codes, condition, noise=noise, seed=seed, **kwargs)

    def sample(self, n, steps=100, seed=0, condition=None):
        """New codes, (n, *shape). Args: n; steps, of Euler's method, >= 1; seed; condition, labels (n,)."""
        return self._end("sample", self.draw(n, seed), steps, condition)

    def paths(self, noise, steps=100, condition=None):
        """Where noise is at the times 0, 1 / steps, ..., 1, in the units of the codes.

        Args: noise, from N(0, I), (n, *shape); steps, of Euler's method, >= 1; condition, labels (n,).
        Returns: (steps + 1, n, *shape), from mean + scale * noise to codes.
        """
        return np.stack(list(self._positions("paths", noise, steps, condition)))

    def draw(self, n, seed=0):
        """Noise from N(0, I), (n, *shape): the start of the paths that `sample` takes with this seed."""
        (n,), (seed,) = check_whole("Flow", n=n), check_whole("Flow", at_least=0, seed=seed)
        return np.random.default_rng(seed).standard_normal((n, *self.shape), "float32")

    def _positions(self, name, noise, steps, condition):
        self._check_fitted(name)
        z = check_examples(noise, self.shape, name)
        (steps,) = check_whole(name, steps=steps)
        labels = check_condition(condition, len(z), self.classes, name)
        mean, scale = (ops.convert_to_numpy(v) for v in (self.mean, self.scale))
        yield mean + scale * z
        for step in range(steps):
            times = np.full(len(z), step / steps, "float32")
            z = z + in_chunks(self.velocity_batch, (z, times, *labels), AT_ONCE, name) / steps
            yield mean + scale * z

    def _end(self, *args):
        return deque(self._positions(*args), maxlen=1).pop()  # the places on the way are not kept

    @property
    def fitted(self):
        """Whether the codes' mean and scale are known."""
        return bool(ops.all(self.scale > 0))

    def _check_fitted(self, name):
        if not self.fitted:
            raise ValueError(f"{name}: this flow does not know the codes' mean and scale yet. Call fit(codes) first.")

    def check(self, x, y=None):
        given = x if isinstance(x, dict) else {"codes": x}
        inputs = {what: check_examples(values, self.shape, f"Flow ({what})") for what, values in given.items()}
        n = len(inputs["codes"])
        if len(inputs.get("noise", inputs["codes"])) != n:
            raise ValueError(f"Flow: wanted noise for each of {n} codes, got {len(inputs['noise'])}.")
        labels = check_condition(y, n, self.classes, "Flow")
        return ({**inputs, "condition": labels[0]} if labels else inputs,)


def straightness(paths):
    """How far paths are from straight lines walked at one speed. Lower is straighter, 0 is straight.

        E |z_1 - z_0 - dz / dt|^2,   a mean over paths and times

    Args: paths, (steps + 1, n, ...), as `Flow.paths` gives them.
    Returns: float, in squared units of the codes.
    Source: Liu et al. 2023, S(Z). Chapter 15.
    """
    paths = np.asarray(paths, "float64").reshape(len(paths), paths.shape[1], -1)
    speed = np.diff(paths, axis=0) * (len(paths) - 1)  # (steps, n, d)
    return float(np.mean(np.sum((paths[-1] - paths[0] - speed) ** 2, axis=-1)))


def _check_velocity(velocity, shape, size):
    wanted, got = [shape, (size,), shape], [tuple(t.shape[1:]) for t in (*velocity.inputs, *velocity.outputs)]
    if got != wanted:
        raise ValueError(
            f"Flow: wanted a velocity with inputs {shape} and ({size},), the time and the class, if there are any, and "
            f"with output {shape}; got the shapes {got}. mlp_encoder((d,), hidden, d, condition_size={size}) makes one."
        )
