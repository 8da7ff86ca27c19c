// Run a trained network in the page: dense, convolution, transposed convolution, and the activations of the book.
// Sums are in double precision; the layouts of weights are Keras'.
import { MOST, array, fail, list, own, said, whole } from "./state.js";

// Abramowitz and Stegun 7.1.26, within 1.5e-7
function erf(x) {
  const s = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = ((((1.061405429 * s - 1.453152027) * s + 1.421413741) * s - 0.284496736) * s + 0.254829592) * s;
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

export const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

/** Functions of one number, by Keras' names; and what brings [-1, 1] to [0, 1]. */
export const ACTIVATIONS = {
  linear: (x) => x,
  relu: (x) => (x > 0 ? x : 0),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  tanh: Math.tanh,
  unit: (x) => (x + 1) / 2,
};

/** Derivatives of those that can be trained in the page, by the sum x and the value y = f(x). At its kink relu has 0, as in Keras. */
export const SLOPES = {
  linear: () => 1,
  relu: (x) => (x > 0 ? 1 : 0),
  leaky_relu: (x) => (x > 0 ? 1 : 0.2),
  gelu: (x) => 0.5 * (1 + erf(x / Math.SQRT2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  tanh: (x, y) => 1 - y * y,
};

const WORK = 1e8; // multiplications in a network: about a fifth of a second
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

function dense(layer, shape, weights) {
  const [inputs] = shape, units = layer.units;
  if (shape.length !== 1) fail(`A dense layer needs a list of numbers, got the shape (${shape.join(", ")}).`);
  const kernel = weights("kernel", [inputs, units]), bias = weights("bias", [units]);
  const sums = new Float64Array(units);
  const run = (x) => {
    sums.set(bias);
    for (let i = 0, at = 0; i < inputs; i++, at += units) {
      const value = x[i];
      if (value) for (let j = 0; j < units; j++) sums[j] += value * kernel[at + j];
    }
    return sums;
  };
  return { run, shape: [units], work: inputs * units };
}

// One loop serves both directions: a transposed convolution scatters along the lines on which a convolution gathers.
function convolution(layer, shape, weights) {
  if (shape.length !== 3) fail(`A convolution needs a picture, got the shape (${shape.join(", ")}).`);
  const up = layer.kind === "conv_transpose", [height, width, inputs] = shape, filters = layer.units;
  const [kh, kw] = list(layer.size, "The size of a kernel", 2);
  const [sy, sx] = list(layer.strides, "The strides", 2);
  [kh, kw, sy, sx].forEach((n) => whole(n, "A kernel size or stride", 1, 64));
  const same = layer.padding === "same";
  const length = (n, k, s) => up ? n * s + (same ? 0 : Math.max(k - s, 0)) : same ? Math.ceil(n / s) : Math.floor((n - k) / s) + 1;
  const outer = [length(height, kh, sy), length(width, kw, sx), filters];
  if (product(outer) > MOST || outer[0] < 1 || outer[1] < 1) fail(`A convolution gives a picture of ${outer[0]} x ${outer[1]}.`);
  const [fine, coarse] = up ? [outer, shape] : [shape, outer];
  const before = (i, k, s) => (same ? Math.max((coarse[i] - 1) * s + k - fine[i], 0) >> 1 : 0);
  const top = before(0, kh, sy), left = before(1, kw, sx);
  const kernel = weights("kernel", up ? [kh, kw, filters, inputs] : [kh, kw, inputs, filters]);
  const bias = weights("bias", [filters]), sums = new Float64Array(product(outer));
  const run = (x) => {
    for (let i = 0; i < sums.length; i++) sums[i] = bias[i % filters];
    for (let cy = 0; cy < coarse[0]; cy++) for (let cx = 0; cx < coarse[1]; cx++) for (let ky = 0; ky < kh; ky++) {
      const fy = cy * sy + ky - top;
      if (fy < 0 || fy >= fine[0]) continue;
      for (let kx = 0; kx < kw; kx++) {
        const fx = cx * sx + kx - left;
        if (fx < 0 || fx >= fine[1]) continue;
        const c = cy * coarse[1] + cx, f = fy * fine[1] + fx;
        const from = (up ? c : f) * inputs, to = (up ? f : c) * filters;
        let at = (ky * kw + kx) * inputs * filters;
        if (up) for (let o = 0; o < filters; o++) for (let i = 0; i < inputs; i++) sums[to + o] += x[from + i] * kernel[at++];
        else for (let i = 0; i < inputs; i++) for (let o = 0; o < filters; o++) sums[to + o] += x[from + i] * kernel[at++];
      }
    }
    return sums;
  };
  return { run, shape: outer, work: coarse[0] * coarse[1] * kh * kw * inputs * filters };
}

// Each number of the input is a row of the table: what a token stands for.
function embedding(layer, shape, weights) {
  const codes = whole(layer.codes, "The number of codes", 1, 65536), units = layer.units, count = product(shape);
  if (count * units > MOST) fail(`An embedding of ${count} tokens in ${units} numbers each is too large.`);
  const table = weights("table", [codes, units]), rows = new Float64Array(count * units);
  const run = (x) => {
    x.forEach((value, i) => {
      const code = Math.max(0, Math.min(codes - 1, Math.round(value)));
      for (let j = 0; j < units; j++) rows[i * units + j] = table[code * units + j];
    });
    return rows;
  };
  return { run, shape: [...shape, units] };
}

function topK(layer, shape) {
  const k = whole(layer.k, "k", 1, shape[0]);
  const run = (x) => {
    const floor = Float64Array.from(x).sort()[x.length - k];
    return Float64Array.from(x, (value) => (value >= floor ? value : 0));
  };
  return { run, shape };
}

function reshape(layer, shape) {
  const target = list(layer.shape, "The shape of a reshape layer");
  target.forEach((size) => whole(size, "A size of a reshape layer", 1, MOST));
  if (product(target) !== product(shape)) fail(`(${shape.join(", ")}) cannot take the shape (${target.join(", ")}).`);
  return { run: (x) => x, shape: target };
}

function elementwise(layer, shape) {
  const f = own(ACTIVATIONS, layer.activation) ?? fail(`The activation ${said(layer.activation)} is not known here.`);
  return { run: (x) => { for (let i = 0; i < x.length; i++) x[i] = f(x[i]); return x; }, shape };
}

/** Makers of layers by their kinds, (layer, shape, weights) -> {run, shape, work}; a figure may add kinds of its own. */
export const KINDS = { dense, conv: convolution, conv_transpose: convolution, embedding, top_k: topK, reshape, activation: elementwise };

/** Make a network of the spec. Returns: {input, output: shapes, run: numbers -> Float64Array}, checked by one run. */
export function network(spec, name, data) {
  if (!spec || typeof spec !== "object") fail(`The field ${name} is missing.`);
  const input = list(spec.input, `The input shape of ${name}`);
  input.forEach((size) => whole(size, `A size in the input of ${name}`, 1, 1e6));
  if (product(input) > MOST) fail(`${name} takes ${product(input)} numbers; a page can run at most ${MOST}.`);
  let shape = input, work = 0;
  const steps = list(spec.layers, `The layers of ${name}`).map((layer, i) => {
    const kind = own(KINDS, layer?.kind) ?? fail(`Layer ${i + 1} of ${name} is of the unknown kind ${said(layer?.kind)}.`);
    if (layer.units !== undefined) whole(layer.units, `The units of layer ${i + 1} of ${name}`, 1, 1e5);
    const step = kind(layer, shape, (field, size) => array(layer[field], `${field} of layer ${i + 1} of ${name}`, data, size));
    shape = step.shape;
    work += step.work ?? 0;
    if (work > WORK) fail(`${name} needs more than ${WORK} multiplications, which would freeze the page.`);
    return step.run;
  });
  const run = (x) => steps.reduce((values, step) => step(values), Float64Array.from(x));
  if (run(new Float64Array(product(input))).some((value) => !Number.isFinite(value))) fail(`${name} gives values that are not finite.`);
  return { input, output: shape, run: (x) => {
    if (x.length !== product(input)) fail(`${name} takes ${product(input)} numbers, got ${x.length}.`);
    return Float64Array.from(run(x));
  } };
}
