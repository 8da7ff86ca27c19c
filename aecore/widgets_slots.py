"""Live figures of slots: a scene whose objects one moves or takes out, and films with their tracks. Needs anywidget."""

import keras
import numpy as np
import traitlets
from keras import ops

from aecore import export
from aecore.inference import check_pictures
from aecore.metrics_objects import holders, identity, mbo
from aecore.motion import check_films
from aecore.regions import check_masks
from aecore.slot_decoders import BroadcastDecoder, CanvasDecoder
from aecore.slot_layers import FRAME, LARGEST, SMALLEST, WHOLE
from aecore.slots import SlotAutoencoder
from aecore.slots_video import SlotVideo, object_boxes
from aecore.training import check_kind
from aecore.viz import CLASSES
from aecore.widgets import PIXELS, Live, _ends, _module

MOST = 12  # pictures to choose from
SLOTS = 8  # of objects, in a film: each has a bit, and a colour of its own
HIDDEN = 0.25  # share of an object's shape: where others have won more of it, it is drawn as a ghost


class SlotScene(Live):
    """Pick a slot, see its mask and its part; move its object, take it out, bring it back, and see the scene again.

    The page runs the model's own decoder on the slots that are left: what an object hid is painted by the others, and
    where two meet, the softmax of their logits says who is in front. The four numbers of a slot's frame have a slider
    each; its features stay, so an object moved is the same object.

    Args:
        model: SlotAutoencoder, trained, whose attention is relative, with a CanvasDecoder or a BroadcastDecoder.
        images: (n, h, w, c) in [0, 1], at most 12, 1 or 3 channels.
        slots: how many, the background's among them; None: as in training.
        seed: of the draws from which slots start.
        title: what the figure is, for screen readers.
    Traits: picture, from 0: which one is shown; slot, the one that is picked, -1 the first object's; codes, the slots
        as they stand, k (d + 4) numbers, slot by slot; out, the slots that are taken out.
    Raises: ValueError where shapes do not fit, or where the page cannot run the decoder.
    Chapter 19.
    """

    _esm = _module("scene")
    picture = traitlets.Int(0).tag(sync=True)
    slot = traitlets.Int(-1).tag(sync=True)
    codes = traitlets.List(traitlets.Float()).tag(sync=True)
    out = traitlets.List(traitlets.Int()).tag(sync=True)

    @traitlets.validate("codes")
    def _check_codes(self, proposal):
        codes, numbers = proposal["value"], int(np.prod(self.spec["slots"]["shape"][1:]))
        if codes and len(codes) != numbers:
            raise ValueError(f"SlotScene: wanted codes of {numbers} numbers, slot by slot, got {len(codes)}.")
        return codes

    def __init__(self, model, images, *, slots=None, seed=0, title="A scene of slots"):
        check_kind("SlotScene", "model", model, SlotAutoencoder, "SlotAutoencoder(...)")
        images = check_pictures(images, "SlotScene")
        if len(images) > MOST or images.shape[-1] not in (1, 3):
            raise ValueError(f"SlotScene: wanted at most {MOST} pictures of 1 or 3 channels, got {images.shape}.")
        if not model.attention.relative:
            raise ValueError(
                "SlotScene: without places no object can be moved. Train with SlotAttention(relative=True)."
            )
        codes = model.encode(images, slots, seed=seed)
        if codes.shape[1] > 2 * SLOTS:
            raise ValueError(f"SlotScene: wanted at most {2 * SLOTS} slots, got {codes.shape[1]}.")
        buffer, background = export.Buffer(), model.attention.background
        parts, probes = _painters(model.decoder, buffer), {}
        paint = lambda s: _drawn(model.decoder.paint(ops.convert_to_tensor(s[:, None])))
        ends = _ends(codes[:, int(background) :].reshape(-1, model.code_size))
        ends[:, 2:FRAME] = np.clip(ends[:, 2:FRAME], SMALLEST, LARGEST)
        probes["objects"] = export.probe(paint, ends, buffer)
        if background:
            ends = _ends(codes[:, 0, FRAME:])
            ground = lambda s: _drawn(model.decoder.paint_ground(ops.convert_to_tensor(s)))
            probes["ground"] = export.probe(ground, ends, buffer)
        super().__init__(
            title, buffer, **parts, pictures=buffer.pixels(images), slots=buffer.exact(codes), colours=CLASSES,
            probe=probes,
        )  # fmt: skip


class SlotTracks(Live):
    """Scrub through films: each object in its slot's colour and with its slot's number, ghosts of what is hidden.

    A ghost is a slot's whole shape, where it would paint were nothing in front of it but the ground, drawn where other
    objects' slots have won more than a quarter of it: what the model believes and does not see. Below, the tracks:
    which slot has most of each true object, frame by frame; empty where it shows less than a quarter of its most.

    Args:
        tracks: what is compared, at most four: one of these, or dict name -> one of these. A SlotVideo (a hinted one
            is told the boxes of the first frame's true objects); a SlotAutoencoder, each frame by itself; labels,
            (n, t, h, w), 0 the ground; or a pair, labels and shapes, (n, t, h, w, k) bool, of labels 1 to k.
        films: (n, t, h, w, c) in [0, 1], at most 12 films of 40 frames, 1 or 3 channels.
        masks: the truth, (n, t, h, w), 0 the ground and i + 1 object i, or None.
        seed: of the draws from which slots start.
        pause: between frames when played, milliseconds.
        title: what the figure is, for screen readers.
    Traits: film, from 0; frame, from 0; model, the name of the one that is shown.
    Raises: ValueError where shapes do not fit, or are more than a page should carry.
    Chapter 20.
    """

    _esm = _module("tracks")
    film = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    model = traitlets.Unicode().tag(sync=True)

    def __init__(self, tracks, films, masks=None, *, seed=0, pause=400, title="Films and their tracks"):
        tracks = tracks if isinstance(tracks, dict) else {"slots": tracks}
        films = check_films(films, "SlotTracks")
        n, t = films.shape[:2]
        if n > MOST or not 2 <= t <= 40 or films.shape[-1] not in (1, 3) or films.size > PIXELS:
            raise ValueError(
                f"SlotTracks: wanted at most {MOST} films of 2 to 40 frames, of 1 or 3 channels, {PIXELS} numbers in "
                f"all, got {films.shape}. Show fewer."
            )
        if films.min() < 0 or films.max() > 1:
            raise ValueError(f"SlotTracks: wanted films in [0, 1], got {films.min():.3g} to {films.max():.3g}.")
        if not 1 <= len(tracks) <= 4:
            raise ValueError(f"SlotTracks: wanted 1 to 4 tracks, got {len(tracks)}.")
        truth = None if masks is None else _labels(masks, films, "masks")
        told = [_told(one, films, truth, seed) for one in tracks.values()]
        labels = np.stack([_labels(found, films, "labels") for found, _, _ in told])
        ghosts = np.stack([_ghosts(found, shapes) for found, shapes, _ in told])
        buffer = export.Buffer()
        whole = lambda values: buffer.pixels(values / 255)  # whole numbers below 256, exactly
        known = {}
        if truth is not None:
            known = {
                "truth": whole(truth),
                "holders": [holders(truth, found)[..., 1:].tolist() for found in labels],
                "kept": [[identity(truth[[i]], found[[i]]) for i in range(n)] for found in labels],
                "overlap": [mbo(truth, found).tolist() for found in labels],
            }
        super().__init__(
            title, buffer, names=[str(name) for name in tracks], films=buffer.pixels(films), labels=whole(labels),
            ghosts=whole(ghosts), first=[first for _, _, first in told], colours=CLASSES, pause=pause, **known,
        )  # fmt: skip
        self.model = self.spec["names"][0]


def _labels(labels, films, name):
    """Labels of films, (n, t, h, w) uint8, 0 the ground, 1 to 8 the objects."""
    labels = np.asarray(labels)
    if labels.shape != films.shape[:4]:
        raise ValueError(f"SlotTracks: wanted {name} {films.shape[:4]}, as the films, got {labels.shape}.")
    labels = check_masks(labels.reshape(-1, *labels.shape[2:]), "SlotTracks").reshape(labels.shape)
    if labels.max() > SLOTS:
        raise ValueError(f"SlotTracks: wanted {name} from 0 to {SLOTS}, got {labels.max()}.")
    return labels.astype("uint8")


def _told(one, films, truth, seed):
    """Labels, 0 the ground, shapes of labels 1 to k or None, and what label 1 is called: 1, or 0 without a ground."""
    if isinstance(one, tuple):
        return (*one, 1)
    if not isinstance(one, (SlotVideo, SlotAutoencoder)):
        return one, None, 1
    if isinstance(one, SlotVideo):
        model, hints = one.autoencoder, None
        ground = int(model.attention.background)
        if one.hinted and truth is not None:
            hints = object_boxes(truth[:, 0], model.slots - ground)
        codes = one.encode(films, hints=hints, seed=seed)
    else:
        model, frames = one, films.reshape(-1, *films.shape[2:])
        ground = int(model.attention.background)
        codes = model.encode(frames, seed=seed).reshape(*films.shape[:2], model.slots, model.code_size)
    rows = codes.reshape(-1, *codes.shape[2:])
    labels = model.predict(films.reshape(-1, *films.shape[2:]), codes=rows).reshape(films.shape[:4])
    masks = model.layers_of(rows).masks
    shapes = (masks[..., 1:] > masks[..., :1]).reshape(*films.shape[:4], -1) if ground else None
    return labels + 1 - ground, shapes, ground


def _ghosts(labels, shapes):
    """What slots believe and do not see, as bits: 2^(k - 1) where label k's shape is, if much of it is another's."""
    labels = np.asarray(labels)
    if shapes is None:
        return np.zeros(labels.shape, "uint8")
    shapes = np.asarray(shapes)
    if shapes.dtype != bool or shapes.shape[:-1] != labels.shape or shapes.shape[-1] > SLOTS:
        raise ValueError(
            f"SlotTracks: wanted bool shapes (*{labels.shape}, k), k up to {SLOTS}; got {shapes.dtype} {shapes.shape}."
        )
    slot = np.arange(1, shapes.shape[-1] + 1)
    lost = shapes & (labels[..., None] != slot) & (labels[..., None] > 0)
    much = lost.sum(axis=(2, 3), keepdims=True) > HIDDEN * shapes.sum(axis=(2, 3), keepdims=True)
    return ((shapes & much) << (slot - 1)).sum(axis=-1).astype("uint8")


# --- a decoder of slots, as live/slots.js runs it ---------------------------------------------------------------------


def _painters(decoder, buffer):
    """Describe what paints an object, d + 4 numbers -> (h, w, 1 + c), logit and colours, and what paints the ground."""
    if isinstance(decoder, CanvasDecoder):
        return _canvas(decoder, buffer)
    if isinstance(decoder, BroadcastDecoder):
        more = {"ground": _broadcast(decoder, decoder.ground, buffer, list(WHOLE))} if decoder.background else {}
        return {"objects": _broadcast(decoder, decoder.objects, buffer), **more}
    raise ValueError(f"SlotScene: the page runs a CanvasDecoder or a BroadcastDecoder, got {type(decoder).__name__}.")


def _canvas(decoder, buffer):
    shape, d = list(decoder.shape), decoder.size
    heads = zip(*(_weights(head) for head in (decoder.stretch, decoder.mask, decoder.paints)), strict=True)
    layer = {
        "kind": "canvas", "shape": shape, "knots": decoder.canvas, "colours": decoder.colours, "hidden": decoder.hidden,
        **_carried("read_", _weights(decoder.read), buffer),
        **_carried("heads_", [np.concatenate(parts, axis=-1) for parts in heads], buffer),
    }  # fmt: skip
    painters = {"objects": {"input": [FRAME + d], "layers": [layer]}}
    if decoder.background:
        read, paint = (
            {"kind": "dense", "units": part.units, **_carried("", _weights(part), buffer)}
            for part in (decoder.read_ground, decoder.paint_all)
        )
        last = {"kind": "ground", "shape": shape, "knots": decoder.ground}
        painters["ground"] = {"input": [d], "layers": [read, {"kind": "activation", "activation": "relu"}, paint, last]}
    return painters


def _broadcast(decoder, network, buffer, frame=None):
    told, placed, *layers = network
    carried = _carried("told_", _weights(told), buffer)
    carried["placed"] = buffer.exact(keras.ops.convert_to_numpy(placed.kernel))
    for i, layer in enumerate(layers):
        carried |= _carried(f"layer_{i}_", _weights(layer), buffer)
    own = {} if frame is None else {"frame": frame}
    layer = {"kind": "broadcast", "shape": list(decoder.shape), "hidden": list(decoder.hidden), **own, **carried}
    return {"input": [decoder.size + (FRAME if frame is None else 0)], "layers": [layer]}


def _weights(dense):
    return [keras.ops.convert_to_numpy(w) for w in (dense.kernel, dense.bias)]


def _carried(name, weights, buffer):
    """A few thousand weights, in 32 bits: an edge of a canvas is steep."""
    return {f"{name}{key}": buffer.exact(w) for key, w in zip(("kernel", "bias"), weights, strict=True)}


def _drawn(painted):
    """Logits (n, 1, h, w) and colours (n, 1, h, w, c) as the page has them, (n, h, w, 1 + c)."""
    logits, colours = painted
    return ops.convert_to_numpy(ops.concatenate([logits[..., None], colours], axis=-1)[:, 0])
