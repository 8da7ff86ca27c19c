// Regulariser dial: models trained at several settings, one at a time: codes, reconstructions, and terms of the loss.
import { array, fail, imageShape, list, number, texts, whole } from "./state.js";
import { announcer, figure, h, picture, plot, slider, t, translate } from "./ui.js";

translate({ "units in use": "个单元在用", largest: "最大值" });

const WIDE = 320, HIGH = 190, LEFT = 44, BOTTOM = 34;

/** Draw a line for each term against the settings, on a logarithmic axis, and a mark at the chosen one. */
function curves({ context }, terms, names, settings, chosen, colours) {
  const values = names.flatMap((name) => terms[name]).filter((value) => value > 0);
  const low = Math.log10(Math.min(...values)) - 0.1, high = Math.log10(Math.max(...values)) + 0.1;
  const x = (i) => LEFT + 8 + ((WIDE - LEFT - 36) * i) / Math.max(1, settings.length - 1);
  const y = (value) => 8 + (HIGH - BOTTOM - 8) * (1 - (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low));
  context.clearRect(0, 0, WIDE, HIGH);
  context.font = "12px sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (const step of [1, 2, 5]) for (let power = Math.floor(low); power <= high; power++) {
    const value = step * 10 ** power, level = Math.log10(value);
    if (level < low || level > high || (high - low > 2 && step > 1)) continue;
    context.strokeStyle = "#ddd";
    context.strokeRect(LEFT, y(value), WIDE - LEFT, 0);
    context.fillStyle = "#222";
    context.textAlign = "right";
    context.fillText(String(+value.toPrecision(3)), LEFT - 4, y(value));
  }
  context.strokeStyle = "#888";
  context.strokeRect(x(chosen), 0, 0, HIGH - BOTTOM);
  context.textAlign = "center";
  const every = Math.ceil(settings.length / 7);
  settings.forEach((setting, i) => (i % every === 0 || i === chosen) && context.fillText(setting, x(i), HIGH - BOTTOM + 10));
  names.forEach((name, n) => {
    context.strokeStyle = context.fillStyle = colours[n % colours.length];
    context.lineWidth = 2;
    context.setLineDash([[], [6, 3], [2, 2]][n % 3]);
    context.beginPath();
    terms[name].forEach((value, i) => context.lineTo(x(i), y(value)));
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.arc(x(chosen), y(terms[name][chosen]), 4, 0, 7);
    context.fill();
  });
}

/** Draw a code as bars, up and (where `signed`) down from zero, all of one scale. */
function bars({ context }, code, most, signed) {
  const middle = signed ? HIGH / 2 : HIGH - 4, step = WIDE / code.length;
  context.clearRect(0, 0, WIDE, HIGH);
  context.fillStyle = "#767676";
  context.fillRect(0, middle, WIDE, 1);
  code.forEach((value, i) => {
    context.fillStyle = value > 0 ? "#d55e00" : "#0072b2";
    const tall = (((signed ? HIGH / 2 : HIGH) - 8) * Math.abs(value)) / most;
    context.fillRect(i * step + 0.1 * step, value > 0 ? middle - tall : middle, 0.8 * step, Math.max(tall, 0));
  });
}

export function build(spec, data, model, root) {
  const settings = list(spec.settings, "settings").map(String), last = whole(settings.length, "The number of settings", 1, 100) - 1;
  const inputs = array(spec.pictures, "pictures", data, [null, null, null, null]), many = whole(spec.pictures.shape[0], "The number of pictures", 1, 64);
  const shape = imageShape(spec.pictures.shape.slice(1), "the shape of pictures"), length = shape[0] * shape[1] * shape[2];
  const rebuilt = array(spec.reconstructions, "reconstructions", data, [last + 1, many, ...shape]);
  const codes = array(spec.codes, "codes", data, [last + 1, many, null]), units = whole(spec.codes.shape[2], "The size of the code", 1, 2000);
  const colours = texts(spec.colours, "colours"), terms = spec.terms;
  if (!terms || typeof terms !== "object" || Array.isArray(terms)) fail("The field terms must hold a list for each name.");
  const names = Object.keys(terms);
  for (const name of names) list(terms[name], `The term ${name}`, last + 1).forEach((value) => number(value, `A value of ${name}`));

  const signed = codes.some((value) => value < 0);
  const most = codes.reduce((size, value) => Math.max(size, Math.abs(value)), 1e-9); // one scale for all settings

  const chart = plot(WIDE, HIGH, { role: "img" }), code = plot(WIDE, HIGH, { role: "img" });
  const rows = h("table", { class: "terms" }), spoken = announcer();
  const columns = Array.from({ length: many }, (_, i) => {
    const above = picture(shape, "", { size: 52 }), below = picture(shape, "", { size: 52 });
    above.draw(inputs.subarray(i * length, (i + 1) * length));
    const element = h("button", { type: "button", class: "pair", onclick: () => choose(i), "aria-label": `${t("picture")} ${i + 1}` }, above.canvas, below.canvas);
    for (const canvas of [above.canvas, below.canvas]) canvas.setAttribute("aria-hidden", "true");
    return { element, below };
  });
  let setting = 0, chosen = 0;

  const draw = () => {
    columns.forEach(({ element, below }, i) => {
      const at = (setting * many + i) * length;
      below.draw(rebuilt.subarray(at, at + length));
      element.setAttribute("aria-pressed", i === chosen);
    });
    const at = (setting * many + chosen) * units;
    const values = Array.from(codes.subarray(at, at + units)), sizes = values.map(Math.abs);
    const active = sizes.filter((size) => size > 0.05 * most).length;
    bars(code, values, most, signed);
    note.textContent = `${t("code")}: ${active} / ${units} ${t("units in use")}, ${t("largest")} ${Math.max(...sizes).toFixed(2)}`;
    code.canvas.setAttribute("aria-label", note.textContent);
    if (names.length) curves(chart, terms, names, settings, setting, colours);
    const texts = names.map((name) => `${name} ${terms[name][setting].toPrecision(3)}`);
    chart.canvas.setAttribute("aria-label", texts.join(", "));
    rows.replaceChildren(...names.map((name, n) => {
      const mark = h("span", { class: "sample" });
      mark.style.borderTop = `3px ${["solid", "dashed", "dotted"][n % 3]} ${colours[n % colours.length]}`;
      return h("tr", {}, h("th", { scope: "row" }, mark, t(name)), h("td", {}, terms[name][setting].toPrecision(3)));
    }));
    spoken.say(`${spec.name} ${settings[setting]}: ${texts.join(", ")}`);
  };
  const choose = (i) => {
    chosen = i;
    draw();
  };
  const turn = (next) => {
    setting = Math.max(0, Math.min(last, next));
    control.set(setting);
    draw();
  };
  const go = (next) => {
    turn(next);
    model.set("setting", setting);
    model.save_changes();
  };
  const control = slider(String(spec.name), { min: 0, max: last, step: 1, value: 0, show: (v) => settings[v] }, go);
  const note = h("figcaption");
  root.append(control.element, h("div", { class: "strip" }, ...columns.map((column) => column.element)),
    h("div", { class: "beside" }, h("figure", {}, code.canvas, note), h("figure", { hidden: !names.length }, chart.canvas, rows)), spoken.element);
  turn(whole(model.get("setting"), "setting", 0, last));
  model.on("change:setting", () => model.get("setting") !== setting && turn(model.get("setting")));
}

export default figure(build);
