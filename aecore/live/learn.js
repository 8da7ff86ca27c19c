// Dense networks that learn, one batch at a time: what Keras does, in plain arrays. No part of it draws.
// Chapter 1 derives the way back (eq-linear-gradients): the residual goes to a kernel through its inputs, and on through the kernel transposed.
import { ACTIVATIONS, SLOPES } from "./network.js";
import { normals, random } from "./random.js";

/** What stands between input and output: sizes of the layers, activations, and after how many layers the code is. */
export function layout(inputs, hidden, codeSize, activation) {
  const sizes = [inputs, ...hidden, codeSize, ...[...hidden].reverse(), inputs], half = hidden.length + 1;
  return { sizes, half, activations: sizes.slice(1).map((_, i) => ((i + 1) % half ? activation : "linear")) };
}

/** Kernels by Glorot's uniform rule and biases of zero, in Keras' order: [kernel, bias, kernel, bias, ...]. */
export function init(sizes, seed) {
  const draw = random(seed);
  return sizes.slice(1).flatMap((to, i) => {
    const limit = Math.sqrt(6 / (sizes[i] + to));
    return [new Float64Array(sizes[i] * to).map(() => limit * (2 * draw() - 1)), new Float64Array(to)];
  });
}

// The three products of learning, for rows h of `from` numbers and rows of `to` numbers: h W, back W^T, and h^T back, added to `into`.
export function times(h, kernel, from, to, sums = new Float64Array((h.length / from) * to)) {
  for (let row = 0, start = 0; row < h.length; row += from, start += to)
    for (let i = 0, at = 0; i < from; i++) {
      const value = h[row + i];
      for (let j = start; j < start + to; j++) sums[j] += value * kernel[at++];
    }
  return sums;
}

export function transposed(back, kernel, from, to) {
  const further = new Float64Array((back.length / to) * from);
  for (let row = 0, start = 0; row < further.length; row += from, start += to)
    for (let i = 0, at = 0; i < from; i++) {
      let sum = 0;
      for (let j = start; j < start + to; j++) sum += kernel[at++] * back[j];
      further[row + i] = sum;
    }
  return further;
}

export function outer(h, back, from, to, into) {
  for (let row = 0, start = 0; row < h.length; row += from, start += to)
    for (let i = 0, at = 0; i < from; i++) {
      const value = h[row + i];
      for (let j = start; j < start + to; j++) into[at++] += value * back[j];
    }
}

export function addRows(rows, to, into) {
  for (let start = 0; start < rows.length; start += to) for (let j = 0; j < to; j++) into[j] += rows[start + j];
}

/** Rows times f(x, y), a slope or a bend of an activation by its sums x and values y. */
export function bent(rows, f, x, y) {
  const scaled = new Float64Array(rows.length);
  for (let k = 0; k < rows.length; k++) scaled[k] = rows[k] * f(x[k], y[k]);
  return scaled;
}

/** Sums a = h W + b and values f(a) of every layer, for n examples. Returns: [{values: x}, {sums, values}, ...]. */
export function forward(weights, x, { sizes, activations }) {
  const n = x.length / sizes[0], layers = [{ values: x }];
  activations.forEach((name, l) => {
    const [from, to] = sizes.slice(l, l + 2), sums = new Float64Array(n * to), f = ACTIVATIONS[name];
    for (let start = 0; start < sums.length; start += to) sums.set(weights[2 * l + 1], start);
    times(layers[l].values, weights[2 * l], from, to, sums);
    layers.push({ sums, values: name === "linear" ? sums : sums.map(f) });
  });
  return layers;
}

/** The first or the second half of an autoencoder, to be run by itself. */
export const encoder = ({ sizes, half, activations }) => ({ sizes: sizes.slice(0, half + 1), activations: activations.slice(0, half) });
export const decoder = ({ sizes, half, activations }) => ({ sizes: sizes.slice(half), activations: activations.slice(half) });
export const encode = (weights, x, spec) => forward(weights, x, encoder(spec)).at(-1).values;
export const decode = (weights, codes, spec) => forward(weights.slice(2 * spec.half), codes, decoder(spec)).at(-1).values;

/** Squared error, summed over a point's numbers, mean over the points. */
export function squaredError(outputs, targets, n) {
  let sum = 0;
  for (let i = 0; i < outputs.length; i++) sum += (outputs[i] - targets[i]) ** 2;
  return sum / n;
}

/** Back through the layers that `forward` gave: from the slope of a loss by the outputs to its slope by every weight, where these learn, and by the inputs. */
export function backward(weights, layers, back, { sizes, activations }, learns = true) {
  const slopes = learns ? weights.map((w) => new Float64Array(w.length)) : null;
  for (let l = activations.length - 1; l >= 0; l--) {
    const [from, to] = sizes.slice(l, l + 2), { sums, values } = layers[l + 1];
    if (activations[l] !== "linear") back = bent(back, SLOPES[activations[l]], sums, values); // by the values of a layer, then by its sums
    if (learns) {
      outer(layers[l].values, back, from, to, slopes[2 * l]);
      addRows(back, to, slopes[2 * l + 1]);
    }
    back = transposed(back, weights[2 * l], from, to);
  }
  return { gradients: slopes, inputs: back };
}

/** The squared error and its gradient by every weight. */
export function gradients(weights, x, spec, targets = x) {
  const layers = forward(weights, x, spec), outputs = layers.at(-1).values, n = x.length / spec.sizes[0];
  const back = outputs.map((value, i) => (2 / n) * (value - targets[i]));
  return { loss: squaredError(outputs, targets, n), gradients: backward(weights, layers, back, spec).gradients };
}

/** Steps that move `weights` in place, with Keras' constants; a game's players forget sooner. `state` begins as {}. */
export const OPTIMISERS = {
  adam(weights, slopes, state, rate, beta = 0.9) {
    state.means ??= weights.map((w) => new Float64Array(w.length));
    state.squares ??= weights.map((w) => new Float64Array(w.length));
    state.step = (state.step ?? 0) + 1;
    const corrected = (rate * Math.sqrt(1 - 0.999 ** state.step)) / (1 - beta ** state.step);
    weights.forEach((w, k) => {
      const mean = state.means[k], square = state.squares[k], slope = slopes[k];
      for (let i = 0; i < w.length; i++) {
        mean[i] += (1 - beta) * (slope[i] - mean[i]);
        square[i] += 0.001 * (slope[i] ** 2 - square[i]);
        w[i] -= (corrected * mean[i]) / (Math.sqrt(square[i]) + 1e-7);
      }
    });
  },
  sgd: (weights, slopes, state, rate) => weights.forEach((w, k) => { for (let i = 0; i < w.length; i++) w[i] -= rate * slopes[k][i]; }),
};

/** Training of an autoencoder on points, (n, 2), in batches of 32, shuffled every epoch; the seed owns all that is drawn. */
export function training(x, { hidden, code_size, activation, seed }) {
  const spec = layout(2, hidden, code_size, activation), weights = init(spec.sizes, seed), draw = random(~seed), normal = normals(draw);
  const n = x.length / 2, order = Array.from({ length: n }, (_, i) => i), perEpoch = Math.ceil(n / 32);
  let steps = 0, state = {}, used;
  const step = ({ optimiser, learning_rate, noise }) => { // these may change on the way; the optimiser then starts afresh
    if (optimiser !== used) [state, used] = [{}, optimiser];
    const start = (steps % perEpoch) * 32;
    if (!start) for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(draw() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    const clean = Float64Array.from(order.slice(start, start + 32).flatMap((i) => [x[2 * i], x[2 * i + 1]]));
    const inputs = noise ? clean.map((value) => value + noise * normal()) : clean;
    OPTIMISERS[optimiser](weights, gradients(weights, inputs, spec, clean).gradients, state, learning_rate);
    steps++;
  };
  return { weights, step, codes: () => encode(weights, x, spec), outputs: (codes) => decode(weights, codes, spec), steps: () => steps, perEpoch };
}

/** PCA of points, (n, 2). Returns: mean, first direction, and the loss with a code of one: the other variance. */
export function pca(x) {
  const n = x.length / 2, mean = [0, 1].map((axis) => x.reduce((sum, value, i) => (i % 2 === axis ? sum + value / n : sum), 0));
  let xx = 0, xy = 0, yy = 0;
  for (let i = 0; i < n; i++) {
    const u = x[2 * i] - mean[0], v = x[2 * i + 1] - mean[1];
    [xx, xy, yy] = [xx + (u * u) / n, xy + (u * v) / n, yy + (v * v) / n];
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2; // of the first principal axis
  return { mean, direction: [Math.cos(angle), Math.sin(angle)], loss: (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2 };
}
