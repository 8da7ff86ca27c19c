"""Layers that Keras does not have."""

import keras
from keras import ops

register = keras.saving.register_keras_serializable("aecore")


@register
class TopK(keras.layers.Layer):
    """Keep the k largest units of a code and set the others to zero: a code that is k-sparse by force.

    Args:
        k: units that stay, 1 <= k <= the size of the code.
    Shapes: (b, d) -> (b, d). Units that tie with the k-th largest stay too.
    Raises: ValueError where k does not fit the code.
    Source: Makhzani and Frey 2014, algorithm 1. Differs: the same k in training and afterwards. Chapter 2.
    """

    def __init__(self, k, **kwargs):
        super().__init__(**kwargs)
        self.k = k

    def compute_output_shape(self, shape):  # not in `build`: a layer may be used again, on a smaller code
        if not 1 <= self.k <= shape[-1]:
            raise ValueError(f"TopK: k must lie between 1 and the code size {shape[-1]}, got {self.k}.")
        return shape

    def call(self, codes):
        self.compute_output_shape(codes.shape)
        smallest_kept = ops.top_k(codes, self.k)[0][:, -1:]  # (b, 1)
        return ops.where(codes >= smallest_kept, codes, 0.0)

    def get_config(self):
        return {**super().get_config(), "k": self.k}


class TransposedDense(keras.layers.Layer):
    """A dense layer that borrows another one's kernel, transposed; only its bias is its own.

    Args:
        dense: the keras.layers.Dense to borrow from, built; it maps (b, m) to (b, k).
        activation: as in Keras.
    Shapes: (b, k) -> (b, m).
    Chapter 1 (tied weights).
    """

    def __init__(self, dense, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = dense
        self.activation = keras.activations.get(activation)
        self.bias = self.add_weight(shape=(dense.kernel.shape[0],), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        return self.activation(ops.matmul(x, ops.transpose(self.dense.kernel)) + self.bias)


@register
class PastTokens(keras.layers.Layer):
    """What each place of a sequence may know of the one before it: that token's vector, and a vector of the place.

    Place 0 has no token before it, and gets a vector of its own. The last token is never looked at.

    Args:
        codes: k; tokens are 0..k-1.
        width: size of the vectors.
        seed: owns the initial vectors.
    Shapes: tokens (b, places), any dtype -> (b, places, width).
    Chapter 12.
    """

    def __init__(self, codes, width, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.width, self.seed = codes, width, seed

    def build(self, shape):
        init = lambda seed: keras.initializers.RandomNormal(stddev=0.02, seed=seed)
        self.table = self.add_weight((self.codes + 1, self.width), initializer=init(self.seed), name="table")
        self.places = self.add_weight((shape[-1], self.width), initializer=init(self.seed + 1), name="places")

    def call(self, tokens):
        before = ops.cast(tokens[:, :-1], "int32")
        start = ops.full_like(ops.cast(tokens[:, :1], "int32"), self.codes)
        return ops.take(self.table, ops.concatenate([start, before], axis=1), axis=0) + self.places

    def get_config(self):
        return {**super().get_config(), "codes": self.codes, "width": self.width, "seed": self.seed}


@register
class SpectralNormalization(keras.layers.Wrapper):
    """A layer whose kernel is divided by its largest singular value s.

        layer(x / s) = activation((W / s) x + b),   s = |W u|,   u <- W'W u / |W'W u|

    A dense layer then stretches nothing. A convolution may still stretch, by at most the square root of the number of
    places that one pixel reaches: 2 for a kernel of 4 with stride 2, 3 for a kernel of 3.
    The power iteration goes on by one step with each call in training; u is kept from call to call.

    Args:
        layer: a Dense or Conv2D layer, not built. W of a convolution is its kernel as a matrix, (k, i j m).
        seed: owns the first u.
    Shapes: as the layer's.
    Source: Miyato et al. 2018, section 2.1 and algorithm 1. Differs from keras.layers.SpectralNormalization: the
        gradient goes through s too, as in the paper's equation 10, where Keras overwrites the kernel between two steps.
        Chapter 13.
    """

    def __init__(self, layer, seed=0, **kwargs):
        super().__init__(layer, **kwargs)
        self.seed = seed

    def build(self, shape):
        super().build(shape)
        init = keras.initializers.RandomNormal(seed=self.seed + 1)
        self.direction = self.add_weight((self.layer.kernel.shape[-1],), init, trainable=False, name="direction")

    def call(self, x, training=False):
        kernel = ops.reshape(self.layer.kernel, (-1, self.direction.shape[0]))  # W', (m, k)
        along = lambda v: v / ops.norm(v)
        u = ops.convert_to_tensor(self.direction)
        if training:
            u = ops.stop_gradient(along(ops.matmul(ops.matmul(kernel, u), kernel)))
            self.direction.assign(u)
        return self.layer(x / ops.norm(ops.matmul(kernel, along(u))))

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
