// Rounds of inference: what appearance and shape said in each round, and what mask came of it; segmenters below one another.
import { array, imageShape, list, number, texts, whole } from "./state.js";
import { gallery } from "./compare.js";
import { outline, overlap } from "./masks.js";
import { axes, line, range } from "./run.js";
import { announcer, figure, h, picture, player, plot, slider, t, tick, translate } from "./ui.js";

translate({
  round: "轮次", "Choose a picture": "选择一幅图像", "appearance (red: object, blue: background)": "外观（红：物体，蓝：背景）", "shape: what the prior says": "形状：先验给出的结果",
  "q: probability of object": "q：属于物体的概率", "mask on the picture": "图像上的掩膜", "free energy": "自由能", "outline of the true mask": "真实掩膜的轮廓", rounds: "轮数",
});

const SIDE = 116, CHART = [340, 170], BOX = [52, 8, 332, 132], DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

export function build(spec, data, model, root) {
  const pictures = array(spec.pictures, "pictures", data, [null, null, null, null]), many = whole(spec.pictures.shape[0], "The number of pictures", 1, 20);
  const shape = imageShape(spec.pictures.shape.slice(1), "the shape of pictures"), [height, width, channels] = shape, n = height * width;
  const names = texts(spec.names, "names"), c = whole(names.length, "The number of segmenters", 1, 4), colours = texts(spec.colours, "colours");
  const last = whole(spec.q?.shape?.[1], "The number of rounds", 1, 1000) - 1, flat = [height, width, 1];
  const [q, said, seen] = ["q", "shape", "appearance"].map((field) => array(spec[field], field, data, [c, last + 1, many, height, width]));
  const truths = spec.masks === undefined ? null : array(spec.masks, "masks", data, [many, height, width]);
  const bound = list(spec.free_energy, "free_energy", c).map((rows) => list(rows, "A row of free_energy", last + 1)
    .map((values) => list(values, "A round of free_energy", many).map((value) => number(value, "A free energy"))));
  const at = (values, k, r) => values.subarray(((k * (last + 1) + r) * many + shown) * n, ((k * (last + 1) + r) * many + shown + 1) * n);
  const truth = () => truths.subarray(shown * n, (shown + 1) * n), tall = (SIDE * height) / width;
  let shown = 0, round = last;

  const paper = picture(shape, ""), chart = plot(...CHART, { role: "img" }), spoken = announcer(), measure = truths ? "IoU" : t("free energy");
  const rows = names.map((name, k) => {
    const parts = [picture(flat, "", { size: SIDE, signed: true }), picture(flat, "", { size: SIDE }), picture(flat, "", { size: SIDE })];
    const board = plot(SIDE, tall, { role: "img" });
    const dash = h("span", { class: "sample" });
    dash.style.borderTop = `3px ${["solid", "dashed", "dotted", "dashed"][k]} ${colours[k % colours.length]}`;
    return { name, parts, board, figures: h("span", { class: "measure" }), dash };
  });
  const values = (k) => Array.from({ length: last + 1 }, (_, r) => (truths ? overlap(at(q, k, r), truth()) : bound[k][r][shown]));

  const curves = () => {
    const all = names.map((_, k) => values(k)), [low, high] = truths ? [0, 1] : range(all.flat()), [left, top, right, bottom] = BOX;
    const x = (r) => left + ((right - left) * r) / Math.max(1, last), y = (v) => bottom - ((bottom - top) * (v - low)) / Math.max(high - low, 1e-9);
    const levels = truths ? [0, 0.25, 0.5, 0.75, 1] : [low, high];
    axes(chart.context, CHART, BOX, { x: all[0].map((_, r) => [x(r), String(r + 1)]), y: levels.map((v) => [y(v), truths ? v.toFixed(2) : v.toFixed(0)]) }, { x: "rounds", y: measure });
    line(chart.context, [[x(round), top], [x(round), bottom]], "#888", 1.5);
    all.forEach((row, k) => {
      line(chart.context, row.map((v, r) => [x(r), y(v)]), colours[k % colours.length], 2, DASHES[k]);
      chart.context.setLineDash([]);
      chart.context.beginPath();
      chart.context.arc(x(round), y(row[round]), 4, 0, 7);
      chart.context.fillStyle = colours[k % colours.length];
      chart.context.fill();
    });
    chart.canvas.setAttribute("aria-label", names.map((name, k) => `${name}, ${measure}: ${all[k].map((v) => +v.toFixed(2)).join(", ")}`).join("; "));
  };
  const show = (next, quiet = false) => {
    round = Math.max(0, Math.min(last, next));
    control.set(round);
    const texts = rows.map(({ name, parts, board, figures }, k) => {
      const mask = at(q, k, round), text = `${truths ? `IoU ${overlap(mask, truth()).toFixed(2)}, ` : ""}F ${bound[k][round][shown].toFixed(0)}`;
      [at(seen, k, round).map((share) => 2 * share - 1), at(said, k, round), mask].forEach((part, i) => parts[i].draw(part));
      board.context.imageSmoothingEnabled = false;
      board.context.drawImage(paper.canvas, 0, 0, SIDE, tall);
      outline(board.context, mask, [height, width], SIDE / width);
      if (traced.input.checked) outline(board.context, truth(), [height, width], SIDE / width, true);
      figures.textContent = text;
      return `${name}: ${text}`;
    });
    curves();
    if (!quiet) spoken.say(`${t("round")} ${round + 1}. ${texts.join("; ")}`);
  };
  const go = (next, quiet) => {
    show(next, quiet);
    model.set("round", round);
    model.save_changes();
  };
  const pick = (next) => {
    shown = next;
    faces.press(shown);
    paper.draw(pictures.subarray(shown * n * channels, (shown + 1) * n * channels));
    show(round);
    model.set("picture", shown);
    model.save_changes();
  };
  const by = (next) => { play.stop(); go(next); };
  const control = slider("round", { min: 0, max: last, step: 1, value: last, show: (v) => `${v + 1} / ${last + 1}` }, by);
  const play = player(() => go(round === last ? 0 : round + 1, true), 700);
  const traced = tick("outline of the true mask", false, () => show(round, true));
  const faces = gallery(pictures, shape, pick, t("picture"));
  const heads = ["appearance (red: object, blue: background)", "shape: what the prior says", "q: probability of object", "mask on the picture"];
  rows.forEach(({ name, parts, board }) => [...parts, board].forEach(({ canvas }, i) => canvas.setAttribute("aria-label", `${name}: ${t(heads[i])}`)));
  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose a picture") }, ...faces.buttons),
    h("div", { class: "beside" }, play.element, control.element, ...(truths ? [traced.element] : [])),
    h("div", { class: "course" }, ...heads.map((text) => h("span", { class: "head" }, t(text))), ...rows.flatMap(({ name, parts, board, figures, dash }) =>
      [h("p", { class: "row" }, dash, h("b", {}, name), " ", figures), ...parts.map((part) => part.canvas), board.canvas])),
    h("div", { class: "beside" }, chart.canvas), spoken.element);
  round = whole(model.get("round"), "round", -1, last);
  if (round < 0) round = last;
  pick(whole(model.get("picture"), "picture", 0, many - 1));
  model.on("change:round", () => model.get("round") !== round && show(whole(model.get("round"), "round", 0, last)));
  model.on("change:picture", () => model.get("picture") !== shown && pick(whole(model.get("picture"), "picture", 0, many - 1)));
}

export default figure(build);
