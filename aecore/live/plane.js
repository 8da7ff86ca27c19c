// Code plane: a point in a code space of two numbers, the data's codes behind it, and what the decoder makes of it.
import { array, fail, imageShape, list, number } from "./state.js";
import { network } from "./network.js";
import { scatter } from "./scatter.js";
import { posteriors } from "./posterior.js";
import { announcer, arrows, button, dragging, figure, h, picture, player, slider, t } from "./ui.js";

const SIZE = 320, STRIP = 9;

export function build(spec, data, model, root) {
  const decoder = network(spec.decoder, "decoder", data);
  const shape = imageShape(decoder.output, "the output of the decoder");
  if (decoder.input.length !== 1 || decoder.input[0] !== 2) fail(`The decoder must take 2 numbers, got (${decoder.input.join(", ")}).`);
  const { area, codes, labels, names, colour, low, high, across, back, inside, backdrop } = scatter(spec, data, SIZE,
    t("Code plane: drag the point, or move it with the arrow keys; Enter picks it"));
  const { context } = area;
  const nearest = (code) => { // the example whose code it is
    let best = 0, least = Infinity;
    for (let i = 0; i < labels.length; i++) {
      const distance = (codes[2 * i] - code[0]) ** 2 + (codes[2 * i + 1] - code[1]) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  };
  const length = shape[0] * shape[1] * shape[2];
  const examples = spec.pictures === undefined ? null : array(spec.pictures, "pictures", data, [labels.length, ...shape]);

  const decoded = picture(shape, "decoded", { size: examples ? 150 : 200 });
  const example = examples && picture(shape, "example x", { size: 150 });
  let code = [0, 0], ends = [], picking = false;

  const draw = () => {
    backdrop();
    if (q) q.draw(context);
    if (ends.length) {
      context.strokeStyle = "#222";
      context.lineWidth = 1.5;
      context.beginPath();
      for (const end of ends) context.lineTo(...across(end));
      context.stroke();
      context.fillStyle = "#222";
      for (const end of ends) { const [x, y] = across(end); context.fillRect(x - 4, y - 4, 8, 8); }
    }
    const [x, y] = across(code);
    context.lineWidth = 3;
    context.strokeStyle = "white";
    context.fillStyle = "#c00000";
    context.beginPath();
    context.arc(x, y, q ? 5 : 8, 0, 7); // smaller than an ellipse
    context.fill();
    context.stroke();
    decoded.draw(decoder.run(code));
  };
  const show = (next) => { // the picture first, then what people read and hear
    code = inside(next);
    const near = nearest(code);
    const more = q ? `. ${q.follow(near, code)}` : `; ${t("nearest label")} ${names[labels[near]]}`;
    if (example) example.draw(examples.subarray(near * length, (near + 1) * length));
    draw();
    units.forEach((unit, i) => unit.set(code[i]));
    spoken.say(`${t("code")} ${code.map((v) => v.toFixed(2)).join(", ")}${more}`);
  };
  const move = (next) => {
    show(next);
    model.set("code", code);
    model.save_changes();
  };
  const units = [0, 1].map((i) => slider(`${t("code unit")} ${i + 1}`,
    { min: low[i], max: high[i], step: (high[i] - low[i]) / 200, value: 0 },
    (value) => { play.stop(); move(code.map((old, j) => (j === i ? value : old))); }));

  const strip = h("div", { class: "strip", hidden: true });
  const between = (share) => [0, 1].map((i) => ends[0][i] + share * (ends[1][i] - ends[0][i]));
  let share = 0;
  const play = player(() => {
    share = share >= 1 ? 0 : Math.min(1, share + 1 / 24);
    move(between(share));
  }, 80);
  const pick = button("Pick two points", () => {
    play.stop();
    picking = true;
    ends = [];
    share = 0;
    strip.hidden = true;
    pick.textContent = t("Pick the first point");
    area.canvas.focus();
    draw();
  });
  const choose = () => {
    if (!picking) return;
    ends.push(code);
    pick.textContent = t(ends.length === 1 ? "Pick the second point" : "Pick two points");
    if (ends.length === 2) {
      picking = false;
      strip.replaceChildren(play.element, ...Array.from({ length: STRIP }, (_, i) => {
        const step = picture(shape, "", { size: 48 });
        step.canvas.setAttribute("aria-label", `${t("decoded")} ${i + 1} / ${STRIP}`);
        step.draw(decoder.run(between(i / (STRIP - 1))));
        return step.element;
      }));
      strip.hidden = false;
    }
    draw();
  };
  dragging(area, (x, y, first) => {
    play.stop();
    move(back(x, y));
    if (first) choose();
  });
  arrows(area.canvas, (dx, dy) => {
    play.stop();
    move([code[0] + (dx * (high[0] - low[0])) / 100, code[1] - (dy * (high[1] - low[1])) / 100]);
  }, { Enter: choose, " ": choose });
  const q = spec.log_var === undefined ? null
    : posteriors(spec, data, { codes, labels, names, colour, decoder, shape, across, redraw: () => draw() });
  const spoken = announcer(!q); // what it says of q(z|x) is seen at once
  root.append(h("div", { class: "beside" }, area.canvas, h("div", { class: "stack" },
    h("div", { class: "beside" }, ...(example ? [example.element] : []), decoded.element),
    ...units.map((u) => u.element), ...(q ? [q.control] : []), pick)), ...(q ? [q.below] : []), strip, spoken.element);
  const start = list(model.get("code"), "code", 2).map((value) => number(value, "A number of the code"));
  show(start);
  model.on("change:code", () => {
    const next = model.get("code");
    if (next.some((value, i) => value !== code[i])) show(next);
  });
}

export default figure(build);
