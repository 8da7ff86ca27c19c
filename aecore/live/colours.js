// Colours of object and background: mixtures of Gaussians, fitted to weighted pixels by EM. The same steps as appearance.py.

const PSEUDO = 1; // pixels of the whole picture that every component has seen beforehand
const fill = (count, value) => Array.from({ length: count }, value);

/** Lower triangle L of a symmetric positive matrix, A = L L'. */
function cholesky(a) {
  const d = a.length, l = fill(d, () => new Float64Array(d));
  for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) {
    let rest = a[i][j];
    for (let k = 0; k < j; k++) rest -= l[i][k] * l[j][k];
    l[i][j] = i === j ? Math.sqrt(Math.max(rest, 1e-12)) : rest / l[j][j];
  }
  return l;
}

/** The inverse of a symmetric positive matrix, and the logarithm of its determinant. */
function inverse(a) {
  const d = a.length, l = cholesky(a), columns = fill(d, (_, c) => {
    const x = new Float64Array(d);
    for (let i = 0; i < d; i++) {
      x[i] = +(i === c);
      for (let k = 0; k < i; k++) x[i] -= l[i][k] * x[k];
      x[i] /= l[i][i];
    }
    for (let i = d - 1; i >= 0; i--) {
      for (let k = i + 1; k < d; k++) x[i] -= l[k][i] * x[k];
      x[i] /= l[i][i];
    }
    return x;
  });
  return [columns, 2 * l.reduce((sum, row, i) => sum + Math.log(row[i]), 0)];
}

/** The direction in which a symmetric matrix is the widest, its largest part positive: Jacobi's rotations. */
function widest(a) {
  const d = a.length, m = a.map((row) => Float64Array.from(row)), v = fill(d, (_, i) => Float64Array.from({ length: d }, (_, j) => +(i === j)));
  for (let turn = 0; turn < 12; turn++) for (let p = 0; p < d; p++) for (let q = p + 1; q < d; q++) {
    if (Math.abs(m[p][q]) < 1e-300) continue;
    const angle = Math.atan2(2 * m[p][q], m[q][q] - m[p][p]) / 2, [c, s] = [Math.cos(angle), Math.sin(angle)];
    for (let k = 0; k < d; k++) [m[k][p], m[k][q]] = [c * m[k][p] - s * m[k][q], s * m[k][p] + c * m[k][q]];
    for (let k = 0; k < d; k++) [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
    for (let k = 0; k < d; k++) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
  }
  let best = d - 1;
  for (let i = d - 1; i >= 0; i--) if (m[i][i] > m[best][best]) best = i;
  const direction = v.map((row) => row[best]), largest = direction.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
  return direction.map((part) => part * Math.sign(largest));
}

/** Count, mean and covariance out of sums of the monomials 1, x_i, x_i x_j (i <= j). */
function gaussian(sums, d, regulariser) {
  const count = sums[0], mean = fill(d, (_, i) => sums[1 + i] / count), covariance = fill(d, () => new Float64Array(d));
  for (let i = 0, at = d + 1; i < d; i++) for (let j = i; j < d; j++, at++)
    covariance[i][j] = covariance[j][i] = sums[at] / count - mean[i] * mean[j] + (i === j) * regulariser;
  return { count, mean, covariance };
}

/** log(share * N(x)) as coefficients of the monomials. */
function coefficients({ count, mean, covariance }, all) {
  const d = mean.length, [precision, logDet] = inverse(covariance), pull = precision.map((row) => row.reduce((sum, p, j) => sum + p * mean[j], 0));
  const constant = Math.log(count / all) - 0.5 * (logDet + d * Math.log(2 * Math.PI)) - 0.5 * pull.reduce((sum, p, i) => sum + p * mean[i], 0);
  const squares = precision.flatMap((row, i) => Array.from(row.subarray(i), (p, j) => (j ? -p : -0.5 * p)));
  return [constant, ...pull, ...squares];
}

/** Make what looks at a picture (h, w, c): from q and the pixels that are seen to the log-likelihood ratios of object and background. */
export function colours([height, width, channels], picture, { components, steps, regulariser, position }) {
  const n = height * width, d = channels + (position ? 2 : 0), size = 1 + d + (d * (d + 1)) / 2, moments = new Float64Array(n * size), whole = new Float64Array(size);
  const spread = (i, count) => position * (count > 1 ? (2 * i) / (count - 1) - 1 : -1);
  for (let i = 0; i < n; i++) {
    const x = Array.from(picture.subarray(i * channels, (i + 1) * channels), (value) => value - 0.5);
    if (position) x.push(spread(Math.floor(i / width), height), spread(i % width, width));
    const row = [1, ...x, ...x.flatMap((value, a) => x.slice(a).map((other) => value * other))];
    moments.set(row, i * size);
    row.forEach((value, k) => { whole[k] += (PSEUDO * value) / n; });
  }
  const sums = (weight, stride, offset) => {
    const found = Float64Array.from(whole);
    for (let i = 0; i < n; i++) {
      const w = weight[i * stride + offset];
      if (w) for (let k = 0; k < size; k++) found[k] += w * moments[i * size + k];
    }
    return found;
  };
  const density = (i, coefficient) => {
    let log = 0;
    for (let k = 0; k < size; k++) log += moments[i * size + k] * coefficient[k];
    return log;
  };
  const slices = (weights) => { // equal weights along the widest direction
    const along = widest(gaussian(sums(weights, 1, 0), d, regulariser).covariance), counts = new Float64Array(n * components);
    const place = Float64Array.from({ length: n }, (_, i) => along.reduce((sum, part, k) => sum + part * moments[i * size + 1 + k], 0));
    const order = Array.from(place.keys()).sort((a, b) => place[a] - place[b] || a - b), total = weights.reduce((a, b) => a + b, 0);
    let passed = 0;
    for (const i of order) {
      passed += weights[i];
      counts[i * components + Math.min(Math.floor((components * passed) / (total + 1e-9)), components - 1)] = weights[i];
    }
    return counts;
  };
  const fit = (weights) => { // the log density of a label at every pixel
    const counts = slices(weights), logs = new Float64Array(components), found = new Float64Array(n);
    for (let step = 0; step <= steps; step++) {
      const parts = fill(components, (_, m) => gaussian(sums(counts, components, m), d, regulariser)), all = parts.reduce((sum, { count }) => sum + count, 0);
      const mixture = parts.map((part) => coefficients(part, all));
      for (let i = 0; i < n; i++) {
        let most = -Infinity, sum = 0;
        for (let m = 0; m < components; m++) most = Math.max(most, logs[m] = density(i, mixture[m]));
        for (let m = 0; m < components; m++) sum += logs[m] = Math.exp(logs[m] - most);
        if (step === steps) found[i] = most + Math.log(sum);
        else for (let m = 0; m < components; m++) counts[i * components + m] = (weights[i] * logs[m]) / sum;
      }
    }
    return found;
  };
  return (q, seen) => {
    const object = fit(q.map((p, i) => p * seen[i])), ground = fit(q.map((p, i) => (1 - p) * seen[i]));
    return object.map((log, i) => log - ground[i]);
  };
}
