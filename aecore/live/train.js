// Train in the page: an autoencoder learns points of the plane while one watches. PCA, computed at once, stands beside it.
import { array, fail, list, whole } from "./state.js";
import { among, axes, during, layers, line, lines, range, runner, short, within } from "./run.js";
import { OPTIMISERS, pca, squaredError, training } from "./learn.js";
import { announcer, button, choice, figure, h, plot, seedInput, slider, t } from "./ui.js";

const WIDTH = 340, HEIGHT = 270, CHART = 180, EDGE = { left: 50, right: 8, top: 8, bottom: 34 };
const SLICE = 8, SYNC = 400; // ms of training in a frame at most; ms between two words to Python at least
const LAST = 20000; // epochs, so that a forgotten figure comes to rest
const HIDDEN = [[], [4], [16], [32], [16, 16], [32, 32]], CURVED = ["linear", "relu", "gelu", "tanh"];
const COLOURS = [[13, 8, 135], [106, 0, 168], [177, 42, 144], [225, 100, 98], [236, 121, 83]]; // plasma, where dark enough on white

function colour(share) {
  const place = Math.max(0, Math.min(0.999, share)) * (COLOURS.length - 1), i = Math.floor(place);
  return `rgb(${COLOURS[i].map((c, k) => Math.round(c + (place - i) * (COLOURS[i + 1][k] - c))).join(" ")})`;
}

function read(settings, names) {
  if (!settings || typeof settings !== "object") fail("The field settings is missing.");
  const { data, hidden, code_size, activation, optimiser, learning_rate, noise, seed } = settings;
  if (list(hidden, "hidden").length > 3) fail(`At most 3 hidden layers can be trained here, got ${hidden.length}.`);
  return {
    data: among(data, names, "data"), hidden: hidden.map((units) => whole(units, "The units of a hidden layer", 1, 64)),
    code_size: whole(code_size, "code_size", 1, 2), activation: among(activation, CURVED, "activation"),
    optimiser: among(optimiser, Object.keys(OPTIMISERS), "optimiser"), learning_rate: within(learning_rate, 1e-4, 1, "learning_rate"),
    noise: within(noise, 0, 1, "noise"), seed: whole(seed, "seed", 0, 999999),
  };
}

const shares = (count) => Array.from({ length: count }, (_, i) => i / (count - 1));

/** From the plane of the points to the canvas, with one scale for both axes. */
function viewOf(x) {
  const ends = [0, 1].map((axis) => range(x.filter((_, i) => i % 2 === axis)));
  const scale = Math.min(...ends.map(([low, high], axis) => (0.84 * [WIDTH, HEIGHT][axis]) / (high - low || 1)));
  const [u, v] = ends.map(([low, high]) => (low + high) / 2);
  return (p, q) => [WIDTH / 2 + (p - u) * scale, HEIGHT / 2 - (q - v) * scale];
}

/** The data, coloured by code; a thin line from each to its reconstruction; what the decoder makes of all codes; PCA. */
function drawPlane(context, x, codes, outputs, run, size, principal) {
  const view = viewOf(x);
  const pairs = (values) => Array.from({ length: values.length / 2 }, (_, i) => view(values[2 * i], values[2 * i + 1]));
  const decoded = (wanted) => pairs(run.outputs(Float64Array.from(wanted)));
  const points = pairs(x), ends = pairs(outputs);
  const sorted = Array.from({ length: size }, (_, k) => codes.filter((_, i) => i % size === k).sort());
  const at = (share, k) => sorted[k][0] + share * (sorted[k].at(-1) - sorted[k][0]);
  const rank = (code) => { // all colours are in use, however uneven the codes
    let low = 0, high = sorted[0].length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[0][middle] < code) low = middle + 1;
      else high = middle;
    }
    return colour(low / (sorted[0].length - 1));
  };
  context.clearRect(0, 0, WIDTH, HEIGHT);
  context.lineJoin = context.lineCap = "round";
  if (size === 1) line(context, [-1e3, 1e3].map((far) => view(...principal.mean.map((m, i) => m + far * principal.direction[i]))), "#222", 1.5, [7, 7]);
  lines(context, points.map((point, i) => [point, ends[i]]), "#8a8a8a", 0.8);
  if (size === 1) {
    const all = Float64Array.from([...sorted[0].filter((_, i) => i % 2 === 0), ...shares(100).map((share) => at(share, 0))]).sort(), curve = decoded(all);
    line(context, curve, "white", 7);
    for (let i = 0; i < all.length - 1; i += 4) line(context, curve.slice(i, i + 5), rank(all[i]), 4);
  } else for (const share of shares(13)) { // lines along which one of the two codes stays the same
    line(context, decoded(shares(33).flatMap((s) => [at(s, 0), at(share, 1)])), "#767676", 0.8);
    line(context, decoded(shares(33).flatMap((s) => [at(share, 0), at(s, 1)])), rank(at(share, 0)), 1.6);
  }
  points.forEach(([u, v], i) => {
    context.beginPath();
    context.arc(u, v, 3.5, 0, 7);
    context.fillStyle = "white";
    context.fill();
    context.beginPath();
    context.arc(u, v, 2.7, 0, 7);
    context.fillStyle = rank(codes[i * size]);
    context.fill();
  });
}

/** The loss so far. Both axes are logarithmic, so that the first epochs have their room beside the last. */
function drawChart(context, history, baseline) {
  const power = (loss) => Math.log10(Math.max(loss, 1e-8)), powers = history.map(([, loss]) => power(loss));
  const [least, most] = range(baseline ? [...powers, power(baseline)] : powers);
  const low = Math.floor(2 * least - 0.1) / 2, high = Math.ceil(2 * most + 0.1) / 2, end = Math.log1p(Math.max(30, history.at(-1)[0]));
  const right = WIDTH - EDGE.right, bottom = CHART - EDGE.bottom;
  const across = (epoch) => EDGE.left + (Math.log1p(epoch) / end) * (right - EDGE.left);
  const up = (p) => EDGE.top + ((high - p) / (high - low)) * (bottom - EDGE.top);
  axes(context, [WIDTH, CHART], [EDGE.left, EDGE.top, right, bottom], {
    y: Array.from({ length: high - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i).map((p) => [up(p), short(10 ** p)]),
    x: [0, 1, 10, 100, 1000, 10000].filter((epoch) => Math.log1p(epoch) <= end).map((epoch) => [across(epoch), epoch]),
  }, { x: "epoch", y: "loss" });
  if (baseline) {
    line(context, [[EDGE.left, up(power(baseline))], [right, up(power(baseline))]], "#222", 1.5, [7, 7]);
    context.textAlign = "right";
    context.fillText("PCA", right, up(power(baseline)) - 8);
  }
  line(context, history.map(([epoch], i) => [across(epoch), up(powers[i])]), "#0072b2", 2);
}

export function build(spec, data, model, root) {
  const names = list(spec.names, "names"), arrays = list(spec.points, "points", names.length);
  const sets = names.map((name, i) => Float64Array.from(array(arrays[i], `points of ${name}`, data, [null, 2])));
  sets.forEach((x, i) => whole(x.length / 2, `The number of points of ${names[i]}`, 2, 500));
  let settings = read(model.get("settings"), names);
  let x, principal, run, loss, history, passed, sent = 0;

  const plane = plot(WIDTH, HEIGHT, { role: "img" }), chart = plot(WIDTH, CHART, { role: "img" });
  const readout = h("p", { class: "readout" }), trouble = h("div"), spoken = announcer(true);
  const epoch = () => Math.floor(run.steps() / run.perEpoch), baseline = () => (settings.code_size === 1 ? principal.loss : 0);
  const state = () => `${t("epoch")} ${epoch()}, ${t("loss")} ${short(loss)}, PCA ${short(baseline())}`;

  const tell = (everything) => { // Python, where there is one
    if (!everything && performance.now() - sent < SYNC) return;
    sent = performance.now();
    model.set("settings", settings);
    model.set("epoch", epoch());
    model.set("loss", loss);
    if (everything) {
      model.set("weights", loss === null ? [] : run.weights.map((w) => [...w]));
      model.set("trained", settings);
    }
    model.save_changes();
  };
  const show = () => {
    const codes = run.codes(), outputs = run.outputs(codes);
    loss = squaredError(outputs, x, x.length / 2);
    if (!(loss < 1e9)) {
      loss = null;
      spoken.say("");
      readout.textContent = `${t("epoch")} ${epoch()}, ${t("diverged")}`;
      trouble.append(h("div", { class: "fault", role: "alert" },
        h("p", {}, t("The run has diverged: its numbers have left all bounds. Choose a smaller learning rate, then start again.")), button("Start again", () => restart())));
      return;
    }
    history.push([run.steps() / run.perEpoch, loss]);
    readout.textContent = state();
    drawPlane(plane.context, x, codes, outputs, run, settings.code_size, principal);
    drawChart(chart.context, history, baseline());
    if (!passed && loss < 0.98 * baseline()) {
      passed = true;
      spoken.say(`${t("The loss is now below PCA's:")} ${state()}`);
    }
  };
  const rest = (quiet = false) => {
    play.stop();
    if (loss !== null) {
      plane.canvas.setAttribute("aria-label", `${t("The points, their reconstructions, and what the decoder makes of all codes.")} ${state()}`);
      chart.canvas.setAttribute("aria-label", `${t("The loss so far.")} ${state()}`);
    }
    if (!quiet) tell(true);
  };
  const pause = () => {
    rest();
    if (loss !== null) spoken.say(`${t("Paused:")} ${state()}`);
  };
  const train = (steps, most) => {
    during(steps, most, () => run.step(settings));
    show();
  };
  const tick = () => {
    // The further on, the more epochs between two pictures: on the chart's axis the pace is then even.
    train(run.perEpoch * (1 + Math.floor(epoch() / 100)), SLICE);
    if (loss === null) return rest();
    if (epoch() >= LAST) return pause();
    tell(false);
  };
  const play = runner(root, { tick, pause, rest, ready: () => loss !== null });
  const by = (steps) => () => {
    if (loss === null) return;
    train(steps(), Infinity);
    pause();
  };
  const restart = (part = {}, quiet = false) => {
    settings = { ...settings, ...part };
    x = sets[names.indexOf(settings.data)];
    [principal, run, history, passed] = [pca(x), training(x, settings), [], false];
    trouble.replaceChildren();
    spoken.say("");
    for (const [name, { select }] of Object.entries(choices)) select.value = name === "hidden" ? layers(settings.hidden) : settings[name];
    rate.set(Math.log10(settings.learning_rate));
    noise.set(settings.noise);
    seed.input.value = settings.seed;
    show();
    rest(quiet);
  };
  const change = (part) => {
    settings = { ...settings, ...part }; // a new object: the model would take the old one for unchanged
    model.set("settings", settings);
    model.save_changes();
  };

  const shapes = HIDDEN.some((hidden) => layers(hidden) === layers(settings.hidden)) ? HIDDEN : [settings.hidden, ...HIDDEN];
  const choices = {
    data: choice("data", names, settings.data, (name) => restart({ data: name })),
    hidden: choice("hidden layers", shapes.map(layers), "", (name) => restart({ hidden: shapes.find((hidden) => layers(hidden) === name) })),
    activation: choice("activation", CURVED, "", (name) => restart({ activation: name })),
    code_size: choice("code size", [1, 2], "", (size) => restart({ code_size: +size })),
    optimiser: choice("optimiser", Object.keys(OPTIMISERS), "", (name) => change({ optimiser: name })),
  };
  const rate = slider("learning rate", { min: -4, max: 0, step: 0.1, value: 0, show: (power) => short(+(10 ** power).toPrecision(2)) },
    (power) => change({ learning_rate: +(10 ** power).toPrecision(2) }));
  const noise = slider("noise on the input", { min: 0, max: 1, step: 0.05, value: 0 }, (value) => change({ noise: value }));
  const seed = seedInput((value) => restart(value === null ? {} : { seed: value }));
  const again = button("Reset", () => restart()), fresh = button("New weights", () => restart({ seed: (settings.seed + 1) % 1000000 }));
  const key = (name, text) => h("span", { class: name }, t(text));
  root.append(
    h("div", { class: "beside training" },
      h("div", { class: "stack" },
        h("figure", {}, plane.canvas, h("figcaption", { class: "keys" }, key("dot", "data, coloured by code"), key("thin", "to the reconstruction"), key("thick", "decoder's output, low code to high"), key("dash", "PCA"))),
        h("div", { class: "strip" }, play.element, button("Step", by(() => 1)), button("Epoch", by(() => run.perEpoch)), again, fresh), readout, trouble),
      h("div", { class: "stack" }, chart.canvas, rate.element, noise.element,
        h("div", { class: "settings" }, ...Object.values(choices).map((c) => c.element), seed.element))),
    spoken.element);
  restart({}, model.get("weights")?.length > 0); // another view has trained: what it sent stays
  model.on("change:settings", () => JSON.stringify(model.get("settings")) !== JSON.stringify(settings) && restart(read(model.get("settings"), names)));
}

export default figure(build);
