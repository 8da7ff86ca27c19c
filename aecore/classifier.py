"""The book's judge: a classifier of pictures whose last hidden layer is the feature space of chapters 11, 13-15."""

import keras
import numpy as np
from keras import layers, ops

from aecore import _backend
from aecore.data import check_condition, check_examples, check_whole
from aecore.objectives import Categorical
from aecore.training import Model, check_kind, in_chunks


@keras.saving.register_keras_serializable("aecore")
class Classifier(Model):
    """Name the class of a picture, and describe the picture by the features that decide it.

        p(label | x) = softmax(W features(x) + b),   loss = -log p(label | x)

    Distances between sets of pictures (metrics.py) are taken between their features, and belong to this one classifier:
    it is trained once, on the training part, and never on what a generator makes.

    Args:
        encoder: keras.Model, (b, *shape) -> (b, d), with an activation on its code: the features.
        classes: k, >= 2, labels are 0..k-1.
        seed: owns the initial weights of the last layer; the encoder has its own.
    Raises: ValueError or TypeError where a part does not fit.
    Chapters 11 and 13.

    Example:
        judge = Classifier(mlp_encoder((8, 8, 1), (64,), 64, code_activation="relu"), classes=10)
        judge.compile()
        judge.fit(x, labels, epochs=20)
        judge.accuracy(test_x, test_labels)     # 0.96
        judge.features(test_x)                  # (n, 64)
    """

    arguments = ("encoder", "classes", "seed")

    def __init__(self, encoder, classes, *, seed=0, **kwargs):
        super().__init__(terms=["nll"], **kwargs)
        check_kind("Classifier", "encoder", encoder, keras.Model, "mlp_encoder(shape, hidden, code_size)")
        if len(encoder.inputs) != 1 or len(encoder.output_shape) != 2:
            raise ValueError(
                f"Classifier: wanted an encoder of one input, (b, *shape) -> (b, d), got the inputs "
                f"{[tuple(i.shape) for i in encoder.inputs]} and the output {encoder.output_shape}."
            )
        self.likelihood = Categorical(classes)
        self.encoder, self.classes, (self.seed,) = encoder, classes, check_whole("Classifier", at_least=0, seed=seed)
        self.shape = tuple(encoder.input_shape[1:])
        self.head = layers.Dense(classes, kernel_initializer=keras.initializers.GlorotUniform(seed=self.seed))
        self.head.build(encoder.output_shape)
        self.features_batch = _backend.compiled(encoder)
        self.probs_batch = _backend.fast(lambda x: ops.softmax(self(x)["logits"]), self, *encoder.inputs)
        self.built = True

    def call(self, x, training=False):
        features = self.encoder(x, training=training)  # (b, d)
        return {"features": features, "logits": self.head(features)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        return self.total(sample_weight, nll=(self.likelihood.nll(y, y_pred["logits"]), 1.0))

    def check(self, x, y=None):
        x = check_examples(x, self.shape, "Classifier")
        return x, *check_condition(y, len(x), self.classes, "Classifier", "y")

    def features(self, x, batch_size=1024):
        """What the last hidden layer says about pictures: (n, *shape) -> (n, d), float32."""
        return in_chunks(self.features_batch, check_examples(x, self.shape, "features"), batch_size, "features")

    def probs(self, x, batch_size=1024):
        """p(label | x) for every label: (n, *shape) -> (n, k), float32."""
        return in_chunks(self.probs_batch, check_examples(x, self.shape, "probs"), batch_size, "probs")

    def predict(self, x, batch_size=1024):
        """The most probable label of each picture: (n, *shape) -> (n,), integers."""
        return self.probs(x, batch_size).argmax(axis=1)

    def accuracy(self, x, y, batch_size=1024):
        """Share of pictures whose most probable label is the given one, y (n,), in [0, 1]. Higher is better."""
        x, y = self.check(x, y)
        return float(np.mean(self.predict(x, batch_size) == y))
