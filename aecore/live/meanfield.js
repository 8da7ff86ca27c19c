// A segmenter of two labels in the page, as gos.py: a dense CRF's mean field with a prior of shapes in the loop, and the energy.
// Sums are in double precision. A page has at most 1024 pixels: the kernel then takes 4 MB, and a sweep a millisecond.
import { fail } from "./state.js";
import { sigmoid } from "./network.js";

const FLAW = 0.0067, CLIP = 8, HINT = 20, ALONE = 1e-3; // as in priors.py, inference.py and dense.py
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sum = (values) => values.reduce((a, b) => a + b, 0);

/** Similarities of n pixels with features, (n, d), in units of their widths: k_ij = exp(-|f_i - f_j|^2 / 2), of a pixel with itself 0. */
export function likeness(features, n) {
  const d = features.length / n, alike = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) {
    let square = 0;
    for (let k = 0; k < d; k++) square += (features[i * d + k] - features[j * d + k]) ** 2;
    alike[i * n + j] = alike[j * n + i] = Math.exp(-square / 2);
  }
  return alike;
}

/** Row and column, and after them the colours of a picture (h, w, c), in units of their widths; places alone where `colour` is null. */
export function features([height, width, channels], picture, position, colour) {
  const d = colour === null ? 2 : 2 + channels, found = new Float64Array(height * width * d);
  for (let i = 0; i < height * width; i++) {
    found[i * d] = Math.floor(i / width) / position;
    found[i * d + 1] = (i % width) / position;
    for (let c = 2; c < d; c++) found[i * d + c] = picture[i * channels + c - 2] / colour;
  }
  return found;
}

/** The weighted sum of kernels k_ij / sqrt(d_i d_j), with d_i the sum of row i, at least 0.001: one matrix, and so one product a sweep.
 *  Args: [{alike, weight, seen}]: what is not seen, if that is given, is like nothing. */
export function mixture(kernels, n) {
  const all = new Float32Array(n * n);
  for (const { alike, weight, seen } of kernels) {
    if (!weight) continue;
    const there = Float64Array.from({ length: n }, (_, i) => (seen ? +seen[i] : 1)), around = times(alike, there);
    const scale = there.map((is, i) => is / Math.sqrt(Math.max(around[i], ALONE)));
    for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < n; j++, at++) all[at] += weight * alike[at] * scale[i] * scale[j];
  }
  return all;
}

/** sum_j k_ij v_j for every i. */
function times(kernel, v) {
  const n = v.length, sums = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i++, at += n) {
    let even = 0, odd = 0, j = 0; // two sums, which the processor adds side by side
    for (; j + 1 < n; j += 2) {
      even += kernel[at + j] * v[j];
      odd += kernel[at + j + 1] * v[j + 1];
    }
    sums[i] = even + odd + (j < n ? kernel[at + j] * v[j] : 0);
  }
  return sums;
}

/** A prior of shapes of n pixels: from q to the logits of its shape, s = e + (1 - 2 e) decode(encode(q)), and R(z). Without networks it is
 *  the mean shape. Of a code that is a distribution the mean is taken; `normal` says that its prior is N(0, I). */
export function shapes(mean, normal, encoder, decoder) {
  if (!decoder) return () => ({ shape: mean, latent: 0 });
  const size = (shape) => shape.reduce((a, b) => a * b, 1), d = size(decoder.input), n = mean.length;
  if (size(encoder.input) !== n || size(decoder.output) !== n || ![d, 2 * d].includes(size(encoder.output)))
    fail(`A prior must encode and decode ${n} pixels, got (${encoder.input.join(", ")}) and (${decoder.output.join(", ")}).`);
  return (q) => {
    const z = encoder.run(q).subarray(0, d);
    const shape = decoder.run(z).map((p) => {
      const share = FLAW + (1 - 2 * FLAW) * Math.max(0, Math.min(1, p));
      return Math.log(share / (1 - share));
    });
    return { shape, latent: normal ? sum(z.map((v) => v * v)) / 2 : 0 };
  };
}

/** A picture to be segmented, with what inference and energy share. `look(q, seen)` gives the logits of the appearance, `project(q)` the shape;
 *  `hints` are 1 object, 0 background, -2 hidden, -1 none; `border`, a share of each side, is background along the edges where no hint says otherwise. */
export function segmentation({ look, hints, kernel, mean, project, border, appearance, lam, rounds, sweeps, damping }, [height, width]) {
  const seen = Array.from(hints, (hint) => hint !== -2), total = sum(times(kernel, new Float64Array(hints.length).fill(1)));
  const [top, left] = [height, width].map((side) => Math.floor(border * side));
  const told = Float64Array.from(hints, (hint, i) => { // logits that exclude a label
    const [y, x] = [Math.floor(i / width), i % width], inside = y >= top && x >= left && y < height - top && x < width - left;
    return hint >= 0 ? HINT * (2 * hint - 1) : inside ? 0 : -HINT;
  });
  const looks = (q) => look(q, seen).map((score, i) => (seen[i] ? Math.max(-CLIP, Math.min(CLIP, score)) : 0));
  const signs = (q) => q.map((p) => 2 * p - 1);
  const terms = (q, scores, { shape, latent }, field) => {
    const smoothness = (total - sum(signs(q).map((sign, i) => sign * field[i]))) / 4; // over pairs, of k_ij [i and j differ]
    const sums = { appearance: 0, smoothness, shape: 0, latent, hints: 0 };
    q.forEach((p, i) => {
      sums.appearance += appearance * (p * Math.max(0, -scores[i]) + (1 - p) * Math.max(0, scores[i]));
      sums.shape += lam * (p * softplus(-shape[i]) + (1 - p) * softplus(shape[i])); // -log s, expected
      sums.hints += told[i] > 0 ? (1 - p) * told[i] : -p * told[i];
    });
    return { ...sums, total: sum(Object.values(sums)) };
  };
  const entropy = (q) => -sum(q.map((p) => (p > 0 && p < 1 ? p * Math.log(p) + (1 - p) * Math.log(1 - p) : 0)));

  /** Rounds of inference, a sweep at a time: yields after each. Returns: all states, {round, sweep, q, scores, shape, free}; `free` is the
   *  free energy of q under what appearance and shape say in its round. */
  function* infer() {
    let prior = { shape: mean, latent: 0 }, q = told.map((logit, i) => sigmoid(logit + mean[i])), scores;
    const states = [];
    const keep = (round, sweep) => {
      const field = times(kernel, signs(q));
      states.push({ round, sweep, q, scores, shape: prior.shape, free: terms(q, scores, { ...prior, latent: 0 }, field).total - entropy(q) });
      return field;
    };
    for (let round = 0; round < rounds; round++) {
      if (round) prior = project(q);
      scores = looks(q);
      const unary = told.map((logit, i) => appearance * scores[i] + lam * prior.shape[i] + logit);
      for (let step = 0; step < sweeps; step++) {
        const field = keep(round, step);
        q = q.map((old, i) => damping * old + (1 - damping) * sigmoid(unary[i] + field[i]));
        yield;
      }
    }
    keep(rounds - 1, sweeps);
    return states;
  }

  /** The energy of a mask, or the expected energy of a q, by its terms: with the appearance and the shape that fit it. */
  const energy = (q) => terms(q, looks(q), project(q), times(kernel, signs(q)));
  return { infer, energy };
}
