// A segmenter in the page: paint what is object and what is not, dial the terms of the energy, and watch the mask settle.
import { array, imageShape, list, own, texts, whole } from "./state.js";
import { network, sigmoid } from "./network.js";
import { colours } from "./colours.js";
import { features, likeness, mixture, segmentation, shapes } from "./meanfield.js";
import { gallery } from "./compare.js";
import { outline, overlap } from "./masks.js";
import { among, axes, line, range, short, within } from "./run.js";
import { announcer, arrows, button, choice, dragging, figure, h, picture, player, plot, slider, t, tick, translate } from "./ui.js";

translate({
  object: "物体", background: "背景", hide: "遮住", erase: "擦除", brush: "画笔", "brush size": "画笔大小", "Choose a picture": "选择一幅图像",
  "Picture to paint on: choose a brush, then draw with the pointer; or arrow keys move the brush, space puts it down and lifts it, Delete clears":
    "可绘制的图像：选择画笔，然后用指针绘制；或用方向键移动画笔，空格键落笔和抬笔，Delete 键清除",
  "q: probability of object": "q：属于物体的概率", "what the prior says": "先验给出的形状", "appearance (red: object, blue: background)": "外观（红：物体，蓝：背景）",
  "shape prior": "形状先验", "appearance weight": "外观权重", "prior weight": "先验权重", "bilateral weight": "双边权重", "spatial weight": "空间权重",
  "width in position": "位置宽度", "width in colour": "颜色宽度", damping: "阻尼", round: "轮", sweep: "扫描", "Dials back": "旋钮复位",
  "free energy": "自由能", "sweeps": "扫描次数", energy: "能量", "this mask": "当前掩膜", "true mask": "真实掩膜", "outline of the true mask": "真实掩膜的轮廓",
  appearance: "外观", smoothness: "平滑", shape: "形状", latent: "潜变量", "hints, border": "提示与边框", total: "合计",
  "The true mask has the lower energy: the search has not found it.": "真实掩膜的能量更低：搜索未能找到它。",
  "This mask has the lower energy: where it is wrong, the energy is wrong.": "当前掩膜的能量更低：它出错之处，是能量本身有误。",
  "Where the mask is wrong, paint object or background. Hide a part, and see it completed. Turn a dial of the energy.":
    "在掩膜出错之处涂上物体或背景；遮住一部分，看它如何被补全；转动能量的旋钮。",
});

const SIZE = 264, CHART = [330, 150], BOX = [50, 8, 322, 112], PAUSE = 40, SLICE = 14;
const TOOLS = { object: 1, background: 0, hide: -2, erase: -1 }; // what a brush leaves on a pixel
const MIXTURE = { components: [1, 10], steps: [1, 20], regulariser: [1e-9, 1], position: [0, 10] }; // of colours, from least to most
const OBJECT = "#d55e00", BACKGROUND = "#0072b2";
const DIALS = { // name: [label, least, most, step]; widths in powers of two
  appearance_weight: ["appearance weight", 0, 2, 0.05], prior_weight: ["prior weight", 0, 4, 0.05], bilateral: ["bilateral weight", 0, 10, 0.1],
  spatial: ["spatial weight", 0, 10, 0.1], damping: ["damping", 0, 0.9, 0.05], position: ["width in position", -1, 5, 0.25], colour: ["width in colour", -7, 0, 0.25],
};
const WIDTHS = ["position", "colour"], power = (name, value) => (WIDTHS.includes(name) ? +(2 ** value).toPrecision(6) : value), place = (name, value) => (WIDTHS.includes(name) ? Math.log2(value) : value);

const read = (given) => Object.fromEntries(Object.entries(DIALS).map(([name, [, low, high]]) => [name, within(own(given ?? {}, name), power(name, low), power(name, high), name)]));

/** What the figure carries, checked. `kernels(picture, settings)` are those of a picture by number; `problem` puts a segmentation together. */
export function carried(spec, data) {
  const pictures = array(spec.pictures, "pictures", data, [null, null, null, null]), many = whole(spec.pictures.shape[0], "The number of pictures", 1, 20);
  const shape = imageShape(spec.pictures.shape.slice(1), "the shape of pictures"), [height, width, channels] = shape;
  const n = whole(height * width, "The number of pixels", 4, 1024), names = texts(spec.priors, "priors");
  const means = array(spec.means, "means", data, [names.length, height, width]), normal = list(spec.normal, "normal", names.length);
  const masks = spec.masks === undefined ? null : array(spec.masks, "masks", data, [many, height, width]);
  const fixed = list(spec.scores, "scores", names.length).map((entry) => entry && array(entry, "scores", data, [many, height, width]));
  const mixtures = list(spec.mixtures, "mixtures", names.length).map((given, k) => fixed[k] ? null : Object.fromEntries(Object.entries(MIXTURE).map(([name, [low, high]]) =>
    [name, within(own(given ?? {}, name), low, high, name)])));
  const [rounds, sweeps] = [["rounds", 1, 20], ["sweeps", 1, 50]].map(([name, low, high]) => whole(spec[name], name, low, high));
  const spread = within(spec.spatial_width, 0.1, 64, "spatial_width"), border = within(spec.border, 0, 0.5, "border"), row = (values, i, size = n) => values.subarray(i * size, (i + 1) * size);
  const projects = names.map((_, k) => {
    const parts = [`encoder_${k}`, `decoder_${k}`], some = parts.some((name) => spec[name] !== undefined);
    return shapes(row(means, k), normal[k] === true, ...(some ? parts.map((name) => network(spec[name], name, data)) : []));
  });
  const picture = (i) => row(pictures, i, n * channels);
  const looks = (i, prior) => (fixed[prior] ? () => Float64Array.from(row(fixed[prior], i)) : colours(shape, picture(i), mixtures[prior]));
  return { shape, n, many, names, rounds, sweeps, pictures, picture, looks, truth: (i) => masks && row(masks, i),
    alike: (i, { position, colour }) => [[position, colour], [spread, null]].map((widths) => likeness(features(shape, picture(i), ...widths), n)),
    kernel: (alike, hints, { bilateral, spatial }) => mixture([{ alike: alike[0], weight: bilateral, seen: hints.map((hint) => hint !== -2) }, { alike: alike[1], weight: spatial }], n),
    problem: (look, prior, hints, kernel, { appearance_weight, prior_weight, damping }) => segmentation({ look, hints, kernel, mean: row(means, prior),
      project: projects[prior], border, rounds, sweeps, appearance: appearance_weight, lam: prior_weight, damping }, shape) };
}

export function build(spec, data, model, root) {
  const { shape, n, many, names, rounds, sweeps, pictures, ...given } = carried(spec, data), [height, width] = shape, flat = [height, width, 1];
  let settings = read(model.get("settings")), shown = 0, prior = 0, hints = new Int8Array(n), tool = "object", reach = 1;
  let alike, kernel, look, task, course = [], at = 0, job = null, stale = false, replaying = false, telling = false, pen = [width >> 1, height >> 1], down = false, focused = false;
  const start = settings, truth = () => given.truth(shown), truths = truth() !== null;

  // ---- inference, for some ms in each frame, so that the page stays awake while one paints
  const see = () => { // after another picture, another prior or another width
    alike = given.alike(shown, settings);
    look = given.looks(shown, prior);
    weigh();
  };
  const weigh = () => { kernel = given.kernel(alike, hints, settings); };
  const begin = () => {
    task = given.problem(look, prior, hints, kernel, settings);
    job = task.infer();
  };
  const work = () => {
    const until = performance.now() + SLICE;
    let step;
    do step = job.next(); while (!step.done && performance.now() < until);
    if (step.done) {
      course = step.value;
      job = null;
      show(course.length - 1);
      if (stale) begin();
      else tell();
      stale = false;
      if (replaying && !job) play.element.click();
    }
    if (job) requestAnimationFrame(work);
  };
  const settle = () => { // a job that runs is finished first: the mask follows the pen on a slow machine too
    play.stop();
    stale = job !== null;
    replaying = false;
    if (stale) return;
    begin();
    work();
  };

  // ---- what is shown
  const tall = (SIZE * height) / width, cell = SIZE / width;
  const board = plot(SIZE, tall, { tabindex: 0, role: "application",
    "aria-label": t("Picture to paint on: choose a brush, then draw with the pointer; or arrow keys move the brush, space puts it down and lifts it, Delete clears") });
  const paper = picture(shape, ""), chart = plot(...CHART, { role: "img" });
  const maps = [["q: probability of object"], ["what the prior says"], ["appearance (red: object, blue: background)", true]]
    .map(([name, signed = false]) => picture(flat, name, { size: 124, signed }));
  const readout = h("p", { class: "readout" }), table = h("table", { class: "terms" }), verdict = h("p", { class: "result" }), spoken = announcer();

  const mark = (context, hint, x, y) => {
    if (hint === -2) {
      context.fillStyle = "#9a9a9a";
      context.fillRect(x, y, cell + 0.5, cell + 0.5);
      return line(context, [[x, y + cell], [x + cell, y]], "#555", 1);
    }
    context.beginPath();
    context.arc(x + cell / 2, y + cell / 2, 0.34 * cell, 0, 7);
    [context.lineWidth, context.strokeStyle, context.fillStyle] = [0.2 * cell, ...(hint ? ["white", OBJECT] : [BACKGROUND, "white"])];
    context.stroke();
    context.fill();
  };
  const paint = () => {
    const { context } = board;
    if (!course.length) return; // it is still being computed
    context.imageSmoothingEnabled = false;
    context.drawImage(paper.canvas, 0, 0, SIZE, tall);
    hints.forEach((hint, i) => hint !== -1 && mark(context, hint, (i % width) * cell, Math.floor(i / width) * cell));
    outline(context, course[at].q, [height, width], cell);
    if (traced.input.checked) outline(context, truth(), [height, width], cell, true);
    if (!focused) return;
    context.lineWidth = 2;
    context.strokeStyle = down ? "#e69f00" : "#56b4e9";
    context.strokeRect((pen[0] - reach) * cell, (pen[1] - reach) * cell, (2 * reach + 1) * cell, (2 * reach + 1) * cell);
  };
  const curve = () => {
    const values = course.map((state) => state.free), [low, high] = range(values), [left, top, right, bottom] = BOX;
    const x = (i) => left + ((right - left) * i) / (course.length - 1), y = (v) => bottom - 6 - ((bottom - top - 12) * (v - low)) / Math.max(high - low, 1e-9);
    const ticks = { x: Array.from({ length: rounds + 1 }, (_, r) => [x(r * sweeps), String(r * sweeps)]), y: [low, high].map((v) => [y(v), v.toFixed(0)]) };
    axes(chart.context, CHART, BOX, ticks, { x: "sweeps", y: "free energy" });
    line(chart.context, values.map((v, i) => [x(i), y(v)]), "#0072b2", 2);
    chart.context.beginPath();
    chart.context.arc(x(at), y(values[at]), 4, 0, 7);
    chart.context.fillStyle = OBJECT;
    chart.context.fill();
    chart.canvas.setAttribute("aria-label", `${t("free energy")}: ${values.filter((_, i) => i % sweeps === 0).map((v) => v.toFixed(0)).join(", ")}`);
  };
  const show = (next, quiet = false) => {
    at = Math.max(0, Math.min(course.length - 1, next));
    const { q, scores, shape: logits, round, sweep } = course[at];
    rail.set(at);
    [q, logits.map(sigmoid), scores.map((score) => score / 8)].forEach((values, i) => maps[i].draw(values));
    paint();
    curve();
    const mask = q.map((p) => +(p > 0.5)), share = mask.reduce((a, b) => a + b) / n;
    readout.textContent = `${t("round")} ${round + 1}, ${t("sweep")} ${sweep}: ${t("object")} ${Math.round(100 * share)} %${truths ? `, IoU ${overlap(q, truth()).toFixed(2)}` : ""}`;
    const columns = [["this mask", mask], ...(truths ? [["true mask", truth()]] : [])].map(([name, labels]) => [name, name === "true mask" ? (task.truth ??= task.energy(labels)) : task.energy(labels)]);
    table.replaceChildren(h("tr", {}, ...["energy", ...columns.map(([name]) => name)].map((name) => h("th", { scope: "col" }, t(name)))),
      ...Object.keys(columns[0][1]).map((term) => h("tr", {}, h("th", { scope: "row" }, t(term === "hints" ? "hints, border" : term)), ...columns.map(([, found]) => h("td", {}, found[term].toFixed(1))))));
    verdict.textContent = truths ? t(columns[1][1].total < columns[0][1].total ? "The true mask has the lower energy: the search has not found it."
      : "This mask has the lower energy: where it is wrong, the energy is wrong.") : "";
    if (!quiet) spoken.say(`${readout.textContent}. ${t("energy")} ${columns.map(([name, found]) => `${t(name)} ${found.total.toFixed(1)}`).join(", ")}`);
  };
  const tell = () => {
    telling = true;
    for (const [name, value] of Object.entries({ picture: shown, prior: names[prior], hints: Array.from(hints), settings, mask: Array.from(course[course.length - 1].q) })) model.set(name, value);
    model.save_changes();
    telling = false;
  };

  // ---- what the reader does
  const stamp = ([x, y]) => {
    for (let i = Math.max(0, y - reach); i <= Math.min(height - 1, y + reach); i++)
      for (let j = Math.max(0, x - reach); j <= Math.min(width - 1, x + reach); j++) hints[i * width + j] = TOOLS[tool];
  };
  const stroke = (to, first) => {
    const hidden = hints.includes(-2), from = first ? to : pen, steps = Math.max(1, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    pen = to;
    for (let s = 0; s <= steps; s++) stamp([0, 1].map((i) => Math.round(from[i] + (s / steps) * (to[i] - from[i]))));
    if (hidden || tool === "hide") weigh();
    settle();
  };
  const replay = () => { // the stroke is done: watch the mask settle
    replaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (replaying && !job) play.element.click();
  };
  const clear = () => {
    hints.fill(-1);
    weigh();
    settle();
  };
  const pick = (next) => {
    shown = next;
    hints.fill(-1);
    open();
  };
  const take = (brush) => {
    tool = brush;
    for (const [name, element] of Object.entries(brushes)) element.setAttribute("aria-pressed", name === tool);
    paint();
  };
  const dial = (name, value) => {
    settings = { ...settings, [name]: value };
    if (WIDTHS.includes(name)) see();
    else weigh();
    settle();
  };
  const reset = () => {
    settings = start;
    open();
  };

  const rail = slider("sweep", { min: 0, max: rounds * sweeps, step: 1, value: 0, show: (v) => `${v} / ${rounds * sweeps}` }, (next) => { play.stop(); show(next); });
  const play = player(() => {
    const next = at === course.length - 1 ? 0 : at + 1, end = next === course.length - 1;
    show(next, !end);
    if (end) play.stop();
  }, PAUSE);
  const traced = tick("outline of the true mask", false, () => paint());
  const faces = gallery(pictures, shape, pick, t("picture"));
  const brushes = Object.fromEntries(Object.keys(TOOLS).map((name) => [name, button(name, () => take(name))]));
  const size = choice("brush size", ["1", "3", "5"], "3", (side) => { reach = (side - 1) / 2; paint(); });
  const priorChoice = choice("shape prior", names, names[0], (name) => { prior = names.indexOf(name); open(); });
  const dials = Object.fromEntries(Object.entries(DIALS).map(([name, [label, min, max, step]]) => [name, slider(label,
    { min, max, step, value: place(name, settings[name]), show: (value) => short(power(name, value)) }, (value) => dial(name, power(name, value)))]));

  dragging(board, (x, y, begins) => stroke([Math.floor(x / cell), Math.floor(y / cell)].map((place, i) => Math.max(0, Math.min([width, height][i] - 1, place))), begins));
  board.canvas.addEventListener("pointerup", replay);
  arrows(board.canvas, (dx, dy) => {
    const to = [Math.max(0, Math.min(width - 1, pen[0] + Math.sign(dx))), Math.max(0, Math.min(height - 1, pen[1] + Math.sign(dy)))];
    if (down) return stroke(to, false);
    pen = to;
    paint();
  }, { " ": () => { down = !down; if (down) stroke(pen, true); else paint(); }, Delete: clear, Backspace: clear });
  for (const [event, is] of [["focus", true], ["blur", false]]) board.canvas.addEventListener(event, () => { focused = is; down = false; paint(); });

  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose a picture") }, ...faces.buttons),
    h("p", { class: "result" }, t("Where the mask is wrong, paint object or background. Hide a part, and see it completed. Turn a dial of the energy.")),
    h("div", { class: "beside" },
      h("div", { class: "stack narrow" }, board.canvas,
        h("div", { class: "strip brushes", role: "group", "aria-label": t("brush") }, ...Object.values(brushes), button("Clear", clear)),
        h("div", { class: "draws" }, size.element, ...(truths ? [traced.element] : [])), readout),
      h("div", { class: "stack" },
        h("div", { class: "maps" }, ...maps.map((part) => part.element)),
        h("div", { class: "beside" }, play.element, rail.element), chart.canvas)),
    h("div", { class: "beside" },
      h("div", { class: "stack dials" }, ...(names.length > 1 ? [priorChoice.element] : []), ...Object.values(dials).map((control) => control.element), button("Dials back", reset)),
      h("div", { class: "stack" }, table, verdict)),
    spoken.element);
  const heed = () => { // what another view or Python has set
    if (telling) return;
    const wanted = read(model.get("settings")), told = list(model.get("hints"), "hints");
    if (told.length) list(told, "hints", n);
    const next = [whole(model.get("picture"), "picture", 0, many - 1), names.indexOf(among(model.get("prior"), names, "prior"))];
    told.forEach((hint) => whole(hint, "A hint", -2, 1));
    if (alike && String(next) === String([shown, prior]) && String(told) === String(Array.from(hints)) && JSON.stringify(wanted) === JSON.stringify(settings)) return;
    [[shown, prior], settings] = [next, wanted];
    hints.fill(-1);
    hints.set(told);
    open();
  };
  const open = () => {
    faces.press(shown);
    priorChoice.select.value = names[prior];
    for (const [name, control] of Object.entries(dials)) control.set(place(name, settings[name]));
    paper.draw(given.picture(shown));
    see();
    settle();
  };
  heed();
  take(tool);
  for (const name of ["picture", "prior", "hints", "settings"]) model.on(`change:${name}`, heed);
}

export default figure(build);
