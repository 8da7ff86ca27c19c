// Style grid: a conditional generator's pictures, one style in each row and one class in each column, and the ways between them.
import { array, fail, imageShape, list, number, texts, whole } from "./state.js";
import { network } from "./network.js";
import { mosaic, paced } from "./compare.js";
import { normals, random } from "./random.js";
import { announcer, arrows, button, choice, figure, h, picture, player, slider, t, translate } from "./ui.js";

translate({
  style: "风格", class: "类别", "style unit": "风格单元", "chosen picture": "所选图像", "New styles": "新风格", "blend with class": "与类别混合", "share of it": "混合比例", "blended picture": "混合图像",
  "Grid of styles (rows) and classes (columns): arrow keys choose a picture": "风格（行）与类别（列）的网格：方向键选择图像",
  "From one class to the other, in the chosen style": "在所选风格下从一个类别到另一个类别",
  "Each row is one style, the same noise; each column is one class. Choose a picture, change its style, or blend its class with another.":
    "每一行是同一风格（同一噪声），每一列是一个类别。选择一幅图像，改变其风格，或将其类别与另一类别混合。",
});

const STRIP = 9, REACH = 3; // pictures between two classes; standard deviations of the noise

export function build(spec, data, model, root) {
  const decoder = network(spec.decoder, "decoder", data), classes = texts(spec.classes, "classes");
  const shape = imageShape(decoder.output, "the output of the decoder"), c = whole(classes.length, "The number of classes", 2, 20);
  const d = whole(decoder.input[0] - c, "The size of the code, the decoder's input without the classes,", 1, 2000);
  if (decoder.input.length !== 1) fail(`The decoder must take a list of numbers, got (${decoder.input.join(", ")}).`);
  const first = array(spec.styles, "styles", data, [null, d]), rows = whole(first.length / d, "The number of styles", 1, 12);
  const units = whole(spec.units, "units", 0, Math.min(d, 12));
  const start = Array.from({ length: rows }, (_, r) => Array.from(first.subarray(r * d, (r + 1) * d)));
  let styles = start.map((z) => [...z]), row = 0, column = 0, other = 1, share = 0, seed = 1;

  const shares = (s) => classes.map((_, k) => (k === column) * (1 - s) + (k === other) * s);
  const decode = (r, condition) => decoder.run([...styles[r], ...condition]);
  const pure = (k) => classes.map((_, i) => +(i === k));

  const grid = mosaic(shape, rows, c), strip = mosaic(shape, 1, STRIP), large = picture(shape, "chosen picture", { size: 150 });
  const mark = h("div", { class: "mark" }), spoken = announcer(true), later = paced();
  for (const [name, value] of [["tabindex", 0], ["role", "application"], ["aria-label", t("Grid of styles (rows) and classes (columns): arrow keys choose a picture")]])
    grid.canvas.setAttribute(name, value);
  grid.canvas.style.cursor = strip.canvas.style.cursor = "pointer";

  const drawRow = (r) => classes.map((_, k) => () => grid.put(r, k, decode(r, pure(k))));
  const percent = (part) => `${Math.round(100 * part)} %`;
  const said = () => `${t("style")} ${row + 1}, ${t("class")} ${classes[column]}${share ? `: ${percent(1 - share)}, ${classes[other]}: ${percent(share)}` : ""}`;
  const draw = (changed) => { // rows whose style has changed; the chosen picture comes first
    large.draw(decode(row, shares(share)));
    large.element.querySelector("figcaption").textContent = said();
    large.canvas.setAttribute("aria-label", `${t("chosen picture")}: ${said()}`);
    strip.canvas.setAttribute("aria-label", `${t("From one class to the other, in the chosen style")}: ${classes[column]}, ${classes[other]}`);
    for (const [side, part] of Object.entries(grid.frame(row, column))) mark.style[side] = `${100 * part}%`;
    later([
      ...Array.from({ length: STRIP }, (_, s) => () => strip.put(0, s, decode(row, shares(s / (STRIP - 1))))), strip.paint,
      ...changed.flatMap(drawRow), ...(changed.length ? [grid.paint] : []),
    ]);
  };
  const tell = () => {
    model.set("code", [...styles[row]]);
    model.set("condition", shares(share));
    model.save_changes();
  };
  const put = (changed = [], quiet = false) => {
    sliders.forEach((unit, i) => unit.set(Math.max(-REACH, Math.min(REACH, styles[row][i]))));
    blend.set(share);
    partner.select.value = classes[other];
    draw(changed);
    if (!quiet) spoken.say(said());
    tell();
  };
  const choose = (r, k) => {
    [row, column, share] = [Math.max(0, Math.min(rows - 1, r)), Math.max(0, Math.min(c - 1, k)), 0];
    if (other === column) other = (column + 1) % c;
    put();
  };
  const all = () => styles.map((_, r) => r);
  const restyle = (next) => { styles = next; put(all()); };
  const fresh = () => {
    const normal = normals(random(seed++));
    restyle(styles.map((z) => z.map(normal)));
  };
  // Play walks on: from the chosen class to the other one, from there to the next.
  const play = player(() => {
    share = Math.min(1, share + 0.05);
    if (share === 1) [column, other, share] = [other, (other + 1) % c === column ? (other + 2) % c : (other + 1) % c, 0];
    if (other === column) other = (column + 1) % c;
    put([], true);
  }, 60);
  const halt = (then) => (...given) => { play.stop(); then(...given); };

  grid.canvas.addEventListener("click", halt((event) => choose(...grid.under(event))));
  arrows(grid.canvas, halt((dx, dy) => choose(row + Math.sign(dy), column + Math.sign(dx))));
  strip.canvas.addEventListener("click", halt((event) => { share = strip.under(event)[1] / (STRIP - 1); put(); }));
  const sliders = Array.from({ length: units }, (_, i) => slider(`${t("style unit")} ${i + 1}`, { min: -REACH, max: REACH, step: 0.05, value: 0 },
    halt((value) => { styles[row][i] = value; put([row]); })));
  const blend = slider("share of it", { min: 0, max: 1, step: 0.01, value: 0, show: percent }, halt((value) => { share = value; put(); }));
  const partner = choice("blend with class", classes, classes[other], halt((name) => {
    other = classes.indexOf(name);
    if (other === column) column = (other + 1) % c;
    put();
  }));
  const head = h("div", { class: "heads", "aria-hidden": "true" }, ...classes.map((name) => h("span", {}, name)));
  root.append(
    h("div", { class: "beside" },
      h("div", { class: "stack styles" }, h("div", { class: "board" }, head, h("div", { class: "sheet" }, grid.canvas, mark)),
        h("p", { class: "result" }, t("Each row is one style, the same noise; each column is one class. Choose a picture, change its style, or blend its class with another.")),
        h("div", { class: "strip" }, button("New styles", halt(fresh)), button("Reset", halt(() => { [row, column, other, share] = [0, 0, 1, 0]; restyle(start.map((z) => [...z])); })))),
      h("div", { class: "stack" }, large.element, ...sliders.map((unit) => unit.element),
        h("figure", {}, strip.canvas, h("figcaption", {}, t("From one class to the other, in the chosen style"))),
        h("div", { class: "draws" }, partner.element, play.element), blend.element)),
    spoken.element);
  put(all(), true);
}

export default figure(build);
