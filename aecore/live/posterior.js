// What an encoder that gives a distribution adds to the code plane: the ellipse of q(z|x), and draws from it, decoded.
import { array, fail } from "./state.js";
import { normals, random } from "./random.js";
import { button, choice, h, picture, t, translate } from "./ui.js";

translate({
  "ellipses of q(z|x)": "q(z|x) 的椭圆", "nearest example": "最近的样本", "one per label": "每个标签一个", many: "许多",
  "New draws": "重新抽样", "draws from q(z|x), decoded": "从 q(z|x) 抽样并解码", "example x": "样本 x", draw: "抽样",
  "Nearest example: label": "最近的样本：标签", mean: "均值", "standard deviation": "标准差", "KL to the prior": "到先验的 KL",
  nats: "奈特", "The point lies": "该点位于距其均值", "standard deviations from its mean": "个标准差处",
  "1 and 2 standard deviations of q(z|x): 39 % and 86 % of its draws": "q(z|x) 的 1 和 2 个标准差：含 39 % 和 86 % 的抽样",
  "the prior, 1 and 2 standard deviations": "先验，1 和 2 个标准差",
});

const DRAWS = 8, MANY = 150;

/** Check what the figure carries of q(z|x), normal with independent units. Returns its parts for the page and what draws it. */
export function posteriors(spec, data, { codes, labels, names, colour, decoder, shape, across, redraw }) {
  const n = labels.length, sizes = array(spec.log_var, "log_var", data, [n, 2]).map((v) => Math.exp(v / 2));
  if (!sizes.every(Number.isFinite)) fail("log_var must hold logarithms of variances; some are too large.");
  if (typeof spec.normal_prior !== "boolean") fail("normal_prior must be true or false.");
  const mean = (i) => [codes[2 * i], codes[2 * i + 1]], size = (i) => [sizes[2 * i], sizes[2 * i + 1]];
  const kl = (i) => [0, 1].reduce((sum, j) => sum + 0.5 * (mean(i)[j] ** 2 + size(i)[j] ** 2 - 1) - Math.log(size(i)[j]), 0);

  const middles = names.flatMap((_, kind) => { // the example of each label that is nearest to its centre
    const mine = labels.flatMap((label, i) => (label === kind ? [i] : []));
    const centre = [0, 1].map((j) => mine.reduce((sum, i) => sum + mean(i)[j], 0) / mine.length);
    const far = (i) => Math.hypot(mean(i)[0] - centre[0], mean(i)[1] - centre[1]);
    return mine.length ? [mine.reduce((a, b) => (far(b) < far(a) ? b : a))] : [];
  });
  const every = Math.ceil(n / MANY), some = labels.flatMap((_, i) => (i % every ? [] : [i]));
  const others = { "nearest example": [], "one per label": middles, many: some };

  let shown = "nearest example", nearest = -1, noise = [], seed = 1;
  const drawn = () => noise.map((e) => mean(nearest).map((m, j) => m + size(nearest)[j] * e[j]));
  const pictures = Array.from({ length: DRAWS }, (_, i) => {
    const part = picture(shape, "", { size: 52 });
    part.canvas.setAttribute("aria-label", `${t("draw")} ${i + 1} / ${DRAWS}`);
    return part;
  });
  const decode = () => drawn().forEach((code, i) => pictures[i].draw(decoder.run(code)));
  const renew = () => {
    const normal = normals(random(seed++));
    noise = Array.from({ length: DRAWS }, () => [normal(), normal()]);
  };
  renew();

  const ellipse = (context, centre, radii, fill) => {
    const [x, y] = across(centre), [right, top] = across([centre[0] + radii[0], centre[1] + radii[1]]);
    context.beginPath();
    context.ellipse(x, y, Math.abs(right - x), Math.abs(top - y), 0, 0, 7);
    if (fill) context.fill();
    context.stroke();
  };
  const rings = (context, i, strong) => {
    context.strokeStyle = context.fillStyle = colour(labels[i]);
    for (const times of strong ? [2, 1] : [1]) {
      context.globalAlpha = 0.2;
      ellipse(context, mean(i), size(i).map((s) => times * s), true);
      context.globalAlpha = strong ? 1 : 0.6;
      ellipse(context, mean(i), size(i).map((s) => times * s), false);
    }
    context.globalAlpha = 1;
  };
  const draw = (context) => {
    context.lineWidth = 1;
    if (spec.normal_prior) {
      context.strokeStyle = "#666";
      context.setLineDash([5, 4]);
      for (const times of [1, 2]) ellipse(context, [0, 0], [times, times], false);
      context.setLineDash([]);
    }
    for (const i of others[shown]) rings(context, i, false);
    if (nearest < 0) return;
    context.lineWidth = 2;
    rings(context, nearest, true);
    context.lineWidth = 1;
    context.strokeStyle = "white";
    context.fillStyle = "#222";
    for (const code of drawn()) {
      context.beginPath();
      context.arc(...across(code), 2.5, 0, 7);
      context.fill();
      context.stroke();
    }
  };

  const readout = h("p", { class: "result" });
  const follow = (i, code) => { // before the plane is drawn; what it says
    const far = Math.hypot(...mean(i).map((m, j) => (code[j] - m) / size(i)[j]));
    const pair = (values) => `(${values.map((v) => v.toFixed(2)).join(", ")})`;
    const text = [`${t("mean")} ${pair(mean(i))}`, `${t("standard deviation")} ${pair(size(i))}`,
      ...(spec.normal_prior ? [`${t("KL to the prior")} ${kl(i).toFixed(2)} ${t("nats")}`] : [])].join(", ");
    const said = `${t("Nearest example: label")} ${names[labels[i]]}. q(z|x): ${text}. ${t("The point lies")} ${far.toFixed(1)} ${t("standard deviations from its mean")}.`;
    readout.textContent = said;
    if (i !== nearest) {
      nearest = i;
      decode();
    }
    return said;
  };
  const select = choice("ellipses of q(z|x)", Object.keys(others), shown, (name) => { shown = name; redraw(); });
  const again = button("New draws", () => { renew(); decode(); redraw(); });
  const key = (name, text) => h("span", { class: name }, t(text));
  const below = h("div", {},
    h("div", { class: "draws" }, ...pictures.map((part) => part.element), again),
    h("p", { class: "result" }, t("draws from q(z|x), decoded")), readout,
    h("p", { class: "keys" }, key("rings", "1 and 2 standard deviations of q(z|x): 39 % and 86 % of its draws"),
      ...(spec.normal_prior ? [key("dash", "the prior, 1 and 2 standard deviations")] : [])));
  return { draw, follow, control: select.element, below };
}
