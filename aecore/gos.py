"""The segmenter: a generative model of shapes, a model of appearance and a CRF, in one energy. Chapters 17 and 18."""

import math

import numpy as np

from aecore.appearance import ColourMixture
from aecore.corruption import moved_copies
from aecore.data import check_examples, check_whole
from aecore.dense import DenseCRF
from aecore.inference import Scene, check_hints, check_map, check_pictures, softmax
from aecore.metrics_masks import iou
from aecore.priors import CodedShape, MeanShape, as_pictures, centred
from aecore.regions import check_masks, check_pairs

PIXELS = 2**14  # that are inferred at once: 16 pictures of 32 x 32


class Segmenter:
    """Find the object in pictures: which pixels look alike, belong together, and make a likely shape.

        P(y | x) = exp(-E(y; x)) / Z(x)
        E(y, z; x) = a sum_i psi_i(y_i) + sum_{i<j} w_ij [y_i != y_j] + lam sum_i phi_i(y_i; z) + R(z)

        psi_i(l) = max_m log p(c_i | m) - log p(c_i | l), at most 8 nats      appearance, fitted to q
        w_ij                                                                  smoothness, dense.py
        phi_i(l; z) = -log s_i(l; z),   R(z)                                  shape, priors.py

    Inference is block descent from the mean shape on, `rounds` times: the appearance given q; q given both, by the
    CRF's mean field; the shape given q. The appearance's and a projected shape's steps need not lower E.

    Args:
        prior: a model trained on masks with encode and decode (Autoencoder, VAE, GAN), or anything with the verb of
            priors.py; None: the mean shape alone. It works at the size at which it was trained.
        appearance: anything with the verb of appearance.py; None: ColourMixture().
        crf: dense.DenseCRF(...); None: DenseCRF().
        appearance_weight: a >= 0; below 1, since neighbouring pixels are not independent.
        prior_weight: lam >= 0.
        rounds: >= 1; the first has the mean shape as its shape.
        latent: "project" or "map": one pass of the prior's encoder and decoder, or a search in the code
            (priors.CodedShape). A GAN is always searched.
        labels: k >= 2, 0 is the background.
        border: share of the side, in [0, 0.5), along each edge that is background: a picture is the object's box and
            a margin, on every side 15 % of the box (regions.crops). 0 where the object may reach the edge.
        seed: owns whatever is drawn.
    Raises: ValueError where an argument is out of range, TypeError for a prior of another kind.
    Source: the family of Eslami et al. 2012, Kae et al. 2013, Tsogkas et al. 2015, Oktay et al. 2018 and Painchaud et
        al. 2020. Differs: colours are fitted to the picture at hand, no network ever sees a picture.

    Example:
        segmenter = Segmenter(autoencoder).fit(masks)         # (n, 32, 32), zeros and ones
        segmenter.predict(images)                             # (m, 32, 32, 3) -> (m, 32, 32)
        segmenter.energy(images, masks)["total"]              # (m,), nats
    """

    def __init__(
        self, prior=None, *, appearance=None, crf=None, appearance_weight=0.4, prior_weight=0.6, rounds=5,
        latent="project", labels=2, border=0.11, seed=0,
    ):  # fmt: skip
        if latent not in ("project", "map"):
            raise ValueError(f'Segmenter: latent must be "project" or "map", got {latent!r}.')
        for name, value in {"appearance_weight": appearance_weight, "prior_weight": prior_weight}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"Segmenter: {name} must be a finite number >= 0, got {value}.")
        (self.rounds,), (self.labels,) = (
            check_whole("Segmenter", rounds=rounds),
            check_whole("Segmenter", 2, labels=labels),
        )
        (self.seed,) = check_whole("Segmenter", 0, seed=seed)
        if not 0 <= border < 0.5:
            raise ValueError(f"Segmenter: border must be a share of the side in [0, 0.5), got {border}.")
        self.border = border
        self.appearance = ColourMixture() if appearance is None else appearance
        self.crf = DenseCRF() if crf is None else crf
        self.appearance_weight, self.prior_weight, self.latent = appearance_weight, prior_weight, latent
        self.prior, self.mean_shape = prior, None
        ready = prior is None or hasattr(prior, "surprise")
        self.shapes = prior if ready else CodedShape(prior, latent == "map", seed=seed)

    # --- learning -------------------------------------------------------------------------------------------

    def fit(self, masks=None, images=None, *, epochs=0, copies=20, turns=3, validation=0.2, verbose=0):
        """Learn what objects look like, from whatever there is.

        Masks only: their mean shape, and where epochs > 0 the prior is trained on moved copies of them. Masks and
        images: that with some of the masks, and appearance_weight and prior_weight are the best ones in mean IoU on
        the other pairs. Images only: the segmenter's own masks teach it, from a disc in the middle on.

        Args:
            masks: (n, h, w), whole numbers 0..k-1. images: (n, h, w, c) in [0, 1].
            epochs: of training the compiled prior (on images alone: in every turn); 0 leaves it as it is.
            copies: of each mask, moved a little (corruption.moved_copies).
            turns: with images only, how often all are segmented and the masks learnt.
            validation: share of the pairs on which the weights are chosen, in (0, 1).
            verbose: 1 shows the prior's training.
        Returns: itself.
        Raises: ValueError where neither is given, or they do not fit.
        """
        if masks is None and images is None:
            raise ValueError("fit: wanted masks, images, or both, got neither.")
        if images is not None:
            images = check_pictures(images, "fit")
        if masks is None:
            return self._learn_from_itself(images, epochs, copies, turns, verbose)
        masks = check_masks(masks, "fit", self.labels)
        held_out = 0
        if images is not None:
            check_pairs(images, masks, "fit")
            held_out = round(validation * len(masks))
            if not 0 < held_out < len(masks):
                raise ValueError(
                    f"fit: validation={validation} of {len(masks)} pairs leaves {held_out} to choose weights on and "
                    f"{len(masks) - held_out} to learn from. Give more pairs, or another share."
                )
        order = np.random.default_rng(self.seed).permutation(len(masks))
        self._learn(masks[order[held_out:]], epochs, copies, verbose)
        if held_out:
            self._choose_weights(images[order[:held_out]], masks[order[:held_out]])
        return self

    def _learn(self, masks, epochs, copies, verbose):
        self.mean_shape = MeanShape(masks, self.labels)
        if epochs and self.prior is not None:
            moved = moved_copies(masks, copies, seed=self.seed)
            self.prior.fit(as_pictures(moved, self.labels), epochs=epochs, seed=self.seed, verbose=verbose)

    def _learn_from_itself(self, images, epochs, copies, turns, verbose):
        self.mean_shape = MeanShape(centred(images.shape[1:3], self.labels)[None])
        shapes, self.shapes = self.shapes, None if epochs else self.shapes  # a prior to be trained has seen nothing yet
        for _ in range(turns):
            self._learn(self.predict(images), epochs, copies, verbose)
            self.shapes = shapes
        return self

    def _choose_weights(self, images, masks):
        scores = {}
        for a in (0.1, 0.2, 0.4, 0.8):
            for lam in (0.15, 0.3, 0.6, 1.2):
                self.appearance_weight, self.prior_weight = a, lam
                found = self.predict(images)
                scores[a, lam] = np.mean([iou(masks == k, found == k).mean() for k in range(1, self.labels)])
        self.appearance_weight, self.prior_weight = max(scores, key=scores.get)

    # --- inference ------------------------------------------------------------------------------------------

    def predict_proba(self, images, known=None, hints=None):
        """How likely each label is at each pixel.

        Args:
            images: (n, h, w, c) in [0, 1].
            known: (n, h, w) booleans, False where something else hides what is to be labelled: there neither colours
                nor neighbours count, and the shape alone speaks. None: all is seen.
            hints: (n, h, w) whole numbers, a label that the pixel has, or -1; or (n, h, w, k) floats, what each label
                costs there, nats. None: no hints.
        Returns: q, (n, h, w, k), float32, sums to 1 over k.
        Raises: ValueError where sizes do not fit one another, or the prior, or nothing was fitted.
        """
        scenes = self._scenes(images, known, hints, "predict_proba")
        return np.concatenate([self._infer(scene)[-1]["q"] for scene in scenes])

    def predict(self, images, known=None, hints=None):
        """The likeliest label of each pixel, (n, h, w) integers. Args: as `predict_proba`."""
        return self.predict_proba(images, known, hints).argmax(axis=-1)

    def course(self, images, known=None, hints=None):
        """What every round of the inference believed. Args: as `predict_proba`.

        Returns: list of a dict for each round: `q`, (n, h, w, k); `prior`, s of its shape, and `appearance`, psi before
            its weight, (n, h, w, k); `unary`, all that speaks for single pixels, (n, h, w, k), nats; `free_energy` of q
            under these unaries, (n,), nats.
        """
        courses = [self._infer(scene, full=True) for scene in self._scenes(images, known, hints, "course")]
        join = lambda rounds: {key: np.concatenate([r[key] for r in rounds]) for key in rounds[0]}
        return [join(rounds) for rounds in zip(*courses, strict=True)]

    def energy(self, images, labels, known=None, hints=None):
        """E(y, z; x) by its terms, with the appearance and the shape fitted to the labels.

        Args: images, known, hints: as `predict_proba`. labels: y, (n, h, w) whole numbers, or q, (n, h, w, k), whose
            expected energy is meant.
        Returns: dict of (n,) arrays, nats: appearance, smoothness, shape, latent, hints, and their sum, total.
        """
        if np.ndim(labels) == 4:
            q = check_examples(labels, (None, None, self.labels), "energy")
        else:
            q = np.eye(self.labels, dtype="float32")[check_masks(labels, "energy", self.labels)]
        if q.shape[:3] != np.shape(images)[:3]:
            raise ValueError(
                f"energy: images of shape {np.shape(images)} want labels for each, got {np.shape(labels)}."
            )
        parts, start = [], 0
        for scene in self._scenes(images, known, hints, "energy"):
            part = q[start : start + len(scene.pictures)]
            start += len(part)
            parts.append(self._terms(scene, part))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def sample(self, images, n, seed=0, known=None, hints=None, steps=3):
        """Masks drawn from about P(y | x): the spread that the segmenter still sees.

        In turn: a code from the encoder's q(z | y), where the prior is a VAE, else the prior's answer to y; then labels
        as the mean field's likeliest under energies that Gumbel noise has perturbed.

        Args: images, known, hints: as `predict_proba`; n, masks for each image; seed; steps, of both, >= 1.
        Returns: (n, images, h, w), integers.
        Source: Papandreou and Yuille 2011 (perturb and MAP); Rezende et al. 2014, appendix F (the alternation).
        """
        (n, steps), (seed,) = check_whole("sample", n=n, steps=steps), check_whole("sample", 0, seed=seed)
        rng, drawn = np.random.default_rng([seed, 17]), []
        for scene in self._scenes(images, known, hints, "sample"):
            last, chains = self._infer(scene, full=True)[-1], []
            for _ in range(n):
                q = last["q"]
                for _ in range(steps):
                    log_s = self._shape(q, scene, rng=rng)[0]
                    noise = rng.gumbel(size=q.shape).astype("float32")
                    unary = self._unary(last["appearance"], log_s, scene) - noise
                    q = scene.sweep(unary, softmax(-unary))
                chains.append(q.argmax(axis=-1))
            drawn.append(np.stack(chains))
        return np.concatenate(drawn, axis=1)

    def _infer(self, scene, full=False):
        """All rounds for some pictures: a list of what each one believed, as `course` has it; unless full, q alone."""
        rounds, z = [], None
        log_s, _ = self.mean_shape.shape(scene.excluded)
        q = softmax(log_s - scene.excluded)
        for i in range(self.rounds):
            if i:
                log_s, z = self._shape(q, scene, z)
            psi = scene.psi(q)
            unary = self._unary(psi, log_s, scene)
            q = scene.sweep(unary, q)
            belief = {"q": q}
            if full:
                free = scene.free_energy(q, unary)
                belief |= {"prior": np.exp(log_s), "appearance": psi, "unary": unary, "free_energy": free}
            rounds.append(belief)
        return rounds

    def _shape(self, q, scene, z=None, rng=None):
        shapes = self.mean_shape if self.shapes is None else self.shapes
        if rng is not None:
            return shapes.draw(q, scene.known, rng)
        return shapes.shape(q, scene.known, z, weight=max(self.prior_weight, 1e-3))

    def _unary(self, psi, log_s, scene):
        return self.appearance_weight * psi - self.prior_weight * log_s + scene.excluded

    def _terms(self, scene, q):
        log_s, z = self._shape(q, scene)
        latent = (self.mean_shape if self.shapes is None else self.shapes).surprise(z)
        sums = lambda per_label: (q * per_label).sum(axis=(1, 2, 3))
        terms = {
            "appearance": self.appearance_weight * sums(scene.psi(q)),
            "smoothness": scene.pairs(q),
            "shape": -self.prior_weight * sums(log_s),
            "latent": np.broadcast_to(latent, len(q)),
            "hints": sums(scene.excluded),
        }
        return {**terms, "total": sum(terms.values())}

    def _scenes(self, images, known, hints, name):
        """Check what was given, and yield it a few pictures at a time."""
        if self.mean_shape is None:
            raise ValueError(f"{name}: the segmenter knows no shape yet. Call fit(masks) first.")
        x = check_pictures(images, name)
        for what, shapes in {"mean shape": self.mean_shape, "prior": self.shapes}.items():
            wanted = tuple(getattr(shapes, "size", x.shape[1:3]))
            if wanted != x.shape[1:3]:
                raise ValueError(
                    f"{name}: the {what} was learnt at {wanted[0]} x {wanted[1]} pixels, the images have "
                    f"{x.shape[1]} x {x.shape[2]}. Resize the images, or learn shapes at their size."
                )
        known = check_map(known, x.shape[:3], "b", "known", name)
        hints = check_hints(hints, (*x.shape[:3], self.labels), name)
        step = max(1, PIXELS // (x.shape[1] * x.shape[2]))
        for i in range(0, len(x), step):
            part = [None if a is None else a[i : i + step] for a in (known, hints)]
            yield Scene(x[i : i + step], self.labels, *part, self.border, self.appearance, self.crf)
