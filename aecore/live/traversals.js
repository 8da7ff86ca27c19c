// Traversals: the code of an example, one unit moved at a time, and what the decoder makes of it.
import { array, fail, imageShape, list, number, whole } from "./state.js";
import { network } from "./network.js";
import { comparison, gallery, mosaic, paced } from "./compare.js";
import { announcer, button, figure, h, picture, slider, t, translate } from "./ui.js";

translate({
  unit: "单元", variance: "方差", inactive: "未使用", example: "样本", "example x": "样本 x", nats: "奈特", "units active": "个单元在用", of: "/",
  "Choose an example": "选择一个样本", "Back to the example": "回到该样本", "decoded now": "当前解码",
  "change (blue: up, red: down)": "变化（蓝：变亮，红：变暗）", "mean of q(z|x), and one standard deviation to each side": "q(z|x) 的均值及两侧各一个标准差",
  "KL: of q(z|x) to N(0, 1), mean over the data. Most active units first.": "KL：q(z|x) 到 N(0, 1)，对数据取平均。最活跃的单元在前。",
  "The variance of a unit over the data tells how active it is. Most active units first.": "单元在数据上的方差表示其活跃程度。最活跃的在前。",
  "pictures along": "沿此方向的图像：", "Units shown:": "显示的单元：",
});

export function build(spec, data, model, root) {
  const decoder = network(spec.decoder, "decoder", data), d = whole(decoder.input[0], "The size of the code", 1, 2000);
  if (decoder.input.length !== 1) fail(`The decoder must take a list of numbers, got (${decoder.input.join(", ")}).`);
  const shape = imageShape(decoder.output, "the output of the decoder"), [height, width, channels] = shape;
  const examples = array(spec.examples, "examples", data, [null, ...shape]), many = whole(spec.examples.shape[0], "The number of examples", 1, 40);
  const means = array(spec.mean, "mean", data, [many, d]);
  const sizes = spec.log_var === undefined ? null : array(spec.log_var, "log_var", data, [many, d]).map((v) => Math.exp(v / 2));
  const order = list(spec.order, "order").map((j) => whole(j, "A unit in order", 0, d - 1));
  if (!order.length || order.length > 64) fail(`order must be a list of 1 to 64 units, got ${order.length}.`);
  const activity = list(spec.activity, "activity", d).map((value) => number(value, "An activity"));
  const active = list(spec.active, "active", d).map((value) => (typeof value === "boolean" ? value : fail("active must be a list of true and false.")));
  const ranges = list(spec.ranges, "ranges", d).map((ends) => {
    const [low, high] = list(ends, "A range", 2).map((end) => number(end, "An end of a range"));
    return low < high ? [low, high] : fail("A range of a unit is empty.");
  });
  const steps = whole(spec.steps, "steps", 2, 15), pixels = height * width * channels;
  const rowOf = (j) => Array.from({ length: steps }, (_, s) => ranges[j][0] + (s / (steps - 1)) * (ranges[j][1] - ranges[j][0]));
  // A strip has its pictures side by side with a gap of one pixel; the middles of the first and the last are the ends of the range.
  const wide = steps * (width + 1) - 1, edge = width / 2 / wide;
  const share = (j, value) => edge + ((value - ranges[j][0]) / (ranges[j][1] - ranges[j][0])) * (1 - 2 * edge); // of the strip's width

  const given = picture(shape, "example x", { size: 124 }), now = picture(shape, "decoded now", { size: 124 });
  const change = comparison(shape, "change (blue: up, red: down)", 124);
  const spoken = announcer(true), later = paced(), top = Math.max(...activity.map(Math.abs), 1e-9);
  let example = 0, code = [], before;

  const strip = (j) => { // all pictures of a unit side by side in one canvas
    const { canvas, put, paint, under } = mosaic(shape, 1, steps);
    canvas.setAttribute("aria-label", `${t("unit")} ${j + 1}, ${steps} ${t("pictures along")} ${rowOf(j).map((v) => +v.toFixed(1)).join(", ")}`);
    const draw = () => {
      rowOf(j).forEach((value, s) => put(0, s, decoder.run(code.map((old, i) => (i === j ? value : old)))));
      paint();
    };
    canvas.addEventListener("click", (event) => move(j, rowOf(j)[under(event)[1]]));
    return { canvas, draw };
  };
  const latents = order.map((j) => {
    const [min, max] = ranges[j], control = slider(`${t("unit")} ${j + 1}`, { min, max, step: ((max - min) / 120) * (1 - 1e-9), value: min }, (value) => move(j, value));
    const pictures = strip(j), span = h("div", { class: "span" }), bar = h("span", { class: "amount" });
    bar.style.width = `${(100 * Math.abs(activity[j])) / top}%`;
    const text = `${sizes ? "KL" : t("variance")} ${activity[j].toFixed(2)}${sizes ? ` ${t("nats")}` : ""}${active[j] ? "" : `, ${t("inactive")}`}`;
    control.element.classList.add("latent");
    control.element.querySelector("label").append(h("span", { class: "measure" }, text), bar);
    control.input.before(h("div", { class: "track" }, pictures.canvas, span));
    control.input.style.margin = `0 calc(${100 * edge}% - 8px)`; // a thumb, 16 px wide, stands below its picture
    control.input.style.width = `calc(${100 - 200 * edge}% + 16px)`;
    return { j, control, pictures, span };
  });

  const draw = (moved) => {
    const values = decoder.run(code);
    now.draw(values);
    change.draw(before, values);
    const tasks = latents.filter(({ j }) => j !== moved).map(({ pictures }) => pictures.draw);
    later(tasks, moved === null ? 300 : 12);
  };
  const tell = () => {
    model.set("example", example);
    model.set("code", [...code]);
    model.save_changes();
  };
  const put = (next, moved = null) => {
    code = next;
    latents.forEach(({ j, control }) => j !== moved && control.set(code[j]));
    draw(moved);
  };
  const move = (j, value) => {
    put(code.map((old, i) => (i === j ? value : old)), j);
    latents.find((latent) => latent.j === j).control.set(value);
    spoken.say(`${t("unit")} ${j + 1}: ${value.toFixed(2)} (q: ${means[example * d + j].toFixed(2)}${sizes ? ` ± ${sizes[example * d + j].toFixed(2)}` : ""})`);
    tell();
  };
  const choose = (next) => {
    example = next;
    faces.press(example);
    given.draw(examples.subarray(example * pixels, (example + 1) * pixels));
    const mean = Array.from(means.subarray(example * d, (example + 1) * d));
    before = decoder.run(mean);
    for (const { j, span } of latents) {
      const spread = sizes ? sizes[example * d + j] : 0;
      const [from, to] = [mean[j] - spread, mean[j] + spread].map((value) => Math.max(0, Math.min(1, share(j, value))));
      span.style.left = `calc(${100 * from}% - 2px)`;
      span.style.width = `calc(${100 * (to - from)}% + 4px)`;
    }
    put(mean);
    spoken.say(`${t("example")} ${example + 1}. ${active.filter(Boolean).length} ${t("of")} ${d} ${t("units active")}.`);
  };
  const pick = (next) => { choose(next); tell(); };
  const faces = gallery(examples, shape, pick, t("example"));

  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose an example") }, ...faces.buttons, button("Back to the example", () => pick(example))),
    h("div", { class: "walk" },
      h("div", { class: "stay" }, given.element, now.element, change.element),
      h("div", { class: "latents" }, ...latents.map(({ control }) => control.element))),
    h("p", { class: "keys" }, ...(sizes ? [h("span", { class: "thick-blue" }, t("mean of q(z|x), and one standard deviation to each side"))] : []),
      h("span", { class: "plain" }, t(sizes ? "KL: of q(z|x) to N(0, 1), mean over the data. Most active units first."
        : "The variance of a unit over the data tells how active it is. Most active units first.")),
      h("span", { class: "plain" }, `${t("Units shown:")} ${latents.length} / ${d}.`)),
    spoken.element);
  const start = list(model.get("code"), "code");
  choose(whole(model.get("example"), "example", 0, many - 1));
  const adopt = (wanted) => wanted?.length === d && wanted.every(Number.isFinite) && wanted.some((value, j) => value !== code[j]) && put([...wanted]);
  adopt(start); // moved in another view, or from Python
  model.on("change:example", () => model.get("example") !== example && choose(whole(model.get("example"), "example", 0, many - 1)));
  model.on("change:code", () => adopt(model.get("code")));
}

export default figure(build);
