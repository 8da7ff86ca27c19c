"""Keras models as plain data: what they are made of, and their weights.

A check that measures a student's model again must have the model itself and not the student's word for what it
predicts. So a model crosses the pipe as its configuration and its weights and is built again by the examiner, out of
layers of Keras and parts of aecore that are named below and that run no code of the student's and open no file.
"""

import re
import sys

NAMES = """
Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv1D Conv2D Conv2DTranspose Cropping2D Dense
DepthwiseConv2D Dropout ELU Embedding Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling2D
GlobalMaxPooling2D GroupNormalization InputLayer LSTM LayerNormalization LeakyReLU MaxPooling2D Maximum Multiply PReLU
Permute ReLU RepeatVector Reshape SeparableConv2D SimpleRNN Softmax SpatialDropout2D Subtract UnitNormalization
UpSampling2D ZeroPadding2D
"""
LAYERS = set(NAMES.split())
PLACES = re.compile(r"keras|keras\.(initializers|regularizers|constraints|optimizers|losses|metrics)")
OURS = re.compile(r"aecore\.(ae|layers|objectives|corruption)")
MODELS = {
    "keras.src.models.functional": "Functional",
    "keras.src.models.sequential": "Sequential",
    "keras": "Sequential",
}


def allowed(config):
    """Raise ValueError where a configuration names something that is not a part as described above."""
    if isinstance(config, (list, tuple)):
        for part in config:
            allowed(part)
        return
    if not isinstance(config, dict):
        return
    if "class_name" in config:
        name, module, registered = (config.get(key) for key in ("class_name", "module", "registered_name"))
        known = (
            (module is None and name in ("__keras_tensor__", "__tensor__", "__numpy__"))
            or (module == "keras.layers" and name in LAYERS)
            or MODELS.get(module) == name
            or (isinstance(module, str) and bool(PLACES.fullmatch(module)) and re.fullmatch(r"[A-Z]\w*", str(name)))
            or (isinstance(module, str) and bool(OURS.fullmatch(module)))
        )
        if not known or registered not in (None, name, f"aecore>{name}") or name in ("Lambda", "Function"):
            raise ValueError(f"a part {module}.{name} that cannot be handed over")
    for part in config.values():
        allowed(part)


def is_model(value):
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def pack(model):
    """Configuration and weights of a model, plain data. Raises: ValueError where it has parts of the student's own."""
    import keras

    config = keras.saving.serialize_keras_object(model)
    allowed(config)
    return config, model.get_weights()


def unpack(config, weights):
    """Build a model again. Raises: ValueError."""
    import keras

    allowed(config)
    model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    model.set_weights(weights)
    return model
