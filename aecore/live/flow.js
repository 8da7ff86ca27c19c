// Paths of a flow: a start in noise, the velocity that carries it to a code, the picture on each part of the way, and a cloud that goes along.
import { array, fail, imageShape, list, number, texts, whole } from "./state.js";
import { network } from "./network.js";
import { scatter } from "./scatter.js";
import { mosaic, paced } from "./compare.js";
import { arrow, line, lines } from "./run.js";
import { normals, random } from "./random.js";
import { announcer, arrows, button, choice, dragging, figure, h, picture, player, slider, t, tick, translate } from "./ui.js";

translate({
  "Plane of noise and codes: drag the start, or move it with the arrow keys": "噪声与编码的平面：拖动起点，或用方向键移动", flow: "流", class: "类别", steps: "步数", time: "时间", "New start": "新起点",
  "coloured: codes of data": "彩色：数据的编码", "the path of the start": "起点的路径", "the same with 200 steps": "同一起点，200 步", "other starts, at this time": "其他起点在此刻的位置", "noise, 1 and 2 standard deviations": "噪声，1 和 2 个标准差",
  "velocity at this time": "此刻的速度", "decoded along the path, from time 0 to time 1": "沿路径解码，时间从 0 到 1", "decoded at this time": "此刻的解码", "The path ends at": "路径终点", "with 200 steps at": "200 步时的终点", distance: "距离",
});

const SIZE = 340, STRIP = 7, FINE = 200, WIND = 14, STEPS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100];

/** One step of Euler's method, the k-th of `steps`, in standardised units: velocity takes [z_1, z_2, t, ...condition]. */
function step(velocity, z, k, steps, condition) {
  const v = velocity.run([...z, k / steps, ...condition]);
  return z.map((value, i) => value + v[i] / steps);
}

/** All places of a path, from time 0 to time 1. */
export function euler(velocity, start, steps, condition = []) {
  const path = [start];
  for (let k = 0; k < steps; k++) path.push(step(velocity, path[k], k, steps, condition));
  return path;
}

export function build(spec, data, model, root) {
  const decoder = network(spec.decoder, "decoder", data), shape = imageShape(decoder.output, "the output of the decoder");
  if (String(decoder.input) !== "2") fail(`The decoder must take 2 numbers, got (${decoder.input.join(", ")}).`);
  const flows = texts(spec.flows, "flows"), classes = list(spec.classes, "classes"), c = classes.length;
  if (flows.length > 4) fail(`At most 4 flows can be compared, got ${flows.length}.`);
  if (c) texts(classes, "classes");
  const nets = flows.map((_, k) => {
    const net = network(spec[`velocity_${k}`], `velocity_${k}`, data);
    if (String(net.input) !== String(3 + c) || String(net.output) !== "2")
      fail(`velocity_${k} must take ${3 + c} numbers, the place, the time and the class, and give 2; it takes (${net.input.join(", ")}) and gives (${net.output.join(", ")}).`);
    return net;
  });
  const means = array(spec.mean, "mean", data, [flows.length, 2]), scales = array(spec.scale, "scale", data, [flows.length, 2]);
  if (!scales.every((value) => value > 0)) fail("scale must hold numbers above 0.");
  const cloud = array(spec.noise, "noise", data, [null, 2]), many = whole(cloud.length / 2, "The number of starts in noise", 1, 300);
  const { area, low, high, across, back, inside, backdrop } = scatter(spec, data, SIZE, t("Plane of noise and codes: drag the start, or move it with the arrow keys"));
  const { context } = area;

  let which = 0, label = 0, steps = 8, time = 1, start, path, fine, clouds, seed = 1;
  const condition = () => classes.map((_, k) => +(k === label));
  const code = (z) => z.map((value, i) => means[2 * which + i] + scales[2 * which + i] * value);
  const noise = (point) => point.map((value, i) => (value - means[2 * which + i]) / scales[2 * which + i]);
  const moment = (points, at) => { // Euler's path is made of straight pieces
    const place = Math.min(points.length - 1.000001, at * (points.length - 1)), k = Math.floor(place);
    return points[k].map((value, i) => value + (place - k) * (points[k + 1][i] - value));
  };

  const decoded = picture(shape, "decoded at this time", { size: 150 }), strip = mosaic(shape, 1, STRIP);
  const readout = h("p", { class: "result" }), spoken = announcer(), later = paced();
  strip.canvas.setAttribute("aria-label", t("decoded along the path, from time 0 to time 1"));

  const dot = (point, radius, fill, edge) => {
    context.beginPath();
    context.arc(...across(code(point)), radius, 0, 7);
    [context.fillStyle, context.strokeStyle, context.lineWidth] = [fill, edge, radius / 3];
    context.fill();
    context.stroke();
  };
  const wind = () => { // the velocity on a lattice of places; the longest arrow is as long as the lattice is wide
    const cell = SIZE / WIND, all = Array.from({ length: WIND * WIND }, (_, i) => [(i % WIND) + 0.5, Math.floor(i / WIND) + 0.5].map((at) => at * cell));
    const ways = all.map(([x, y]) => {
      const z = noise(back(x, y)), v = nets[which].run([...z, time, ...condition()]), [from, to] = [z, z.map((value, i) => value + v[i])].map((end) => across(code(end)));
      return [to[0] - from[0], to[1] - from[1]];
    });
    const longest = Math.max(1e-9, ...ways.map((way) => Math.hypot(...way)));
    context.beginPath();
    all.forEach(([x, y], i) => arrow(context, x, y, ...ways[i].map((part) => (part / longest) * cell)));
    [context.strokeStyle, context.lineWidth] = ["#8a4b9c", 1];
    context.setLineDash([]);
    context.stroke();
  };
  const draw = () => {
    backdrop();
    context.lineJoin = "round";
    for (const far of [1, 2]) { // of the noise
      const [x, y] = across(code([0, 0])), [right, top] = across(code([far, far]));
      context.beginPath();
      context.ellipse(x, y, right - x, y - top, 0, 0, 7);
      [context.strokeStyle, context.lineWidth] = ["#767676", 1];
      context.setLineDash([3, 3]);
      context.stroke();
    }
    const known = Math.min(1, (clouds.length - 1) / steps), now = Math.min(time, known); // the others may still be on their way
    if (field.input.checked) wind();
    if (clouds.length > 1) {
      const trails = Array.from({ length: many }, (_, i) => clouds.slice(0, Math.ceil(now * steps)).map((points) => across(code(points[i])))
        .concat([across(code(moment(clouds.map((points) => points[i]), now / known)))]));
      lines(context, trails, "rgb(0 0 0 / 0.13)", 1);
      context.fillStyle = "#222";
      for (const trail of trails) { const [x, y] = trail.at(-1); context.fillRect(x - 1.5, y - 1.5, 3, 3); }
    }
    line(context, fine.map((z) => across(code(z))), "#222", 1.5, [6, 4]);
    line(context, path.map((z) => across(code(z))), "white", 6);
    line(context, path.map((z) => across(code(z))), "#0072b2", 3);
    if (steps <= 32) for (const z of path) dot(z, 3, "white", "#0072b2");
    dot(start, 7, "white", "#0072b2");
    dot(moment(path, time), 7, "#c00000", "white");
  };
  const show = () => {
    decoded.draw(decoder.run(code(moment(path, time))));
    draw();
  };
  const pair = (z) => `(${code(z).map((value) => value.toFixed(2)).join(", ")})`;
  const follow = (others = true) => {
    const given = condition(), net = nets[which];
    [path, fine] = [euler(net, start, steps, given), euler(net, start, FINE, given)];
    for (let s = 0; s < STRIP; s++) strip.put(0, s, decoder.run(code(moment(path, s / (STRIP - 1)))));
    strip.paint();
    if (others) {
      clouds = [Array.from({ length: many }, (_, i) => [cloud[2 * i], cloud[2 * i + 1]])];
      later([...Array.from({ length: steps }, (_, k) => () =>
        clouds.push(clouds[k].map((z) => step(net, z, k, steps, given)))), draw], 30);
    }
    const [end, best] = [path.at(-1), fine.at(-1)], distance = Math.hypot(...code(end).map((value, i) => value - code(best)[i]));
    readout.textContent = `${t("The path ends at")} ${pair(end)}, ${t("with 200 steps at")} ${pair(best)}; ${t("distance")} ${distance.toFixed(3)}.`;
    show();
    spoken.say(`${t("steps")} ${steps}. ${readout.textContent}`);
    model.set("start", start);
    model.set("end", code(end));
    model.save_changes();
  };
  const move = (point) => { start = noise(inside(point)); follow(false); };

  dragging(area, (x, y) => { play.stop(); move(back(x, y)); });
  arrows(area.canvas, (dx, dy) => {
    const here = code(start);
    move([here[0] + (dx * (high[0] - low[0])) / 100, here[1] - (dy * (high[1] - low[1])) / 100]);
  });
  const dial = slider("steps", { min: 0, max: STEPS.length - 1, step: 1, value: STEPS.indexOf(steps), show: (i) => String(STEPS[i]) }, (i) => { steps = STEPS[i]; follow(); });
  const clock = slider("time", { min: 0, max: 1, step: 0.01, value: time }, (value) => { play.stop(); time = value; show(); });
  const play = player(() => {
    time = time >= 1 ? 0 : Math.min(1, time + 0.02);
    clock.set(time);
    show();
    if (time === 1) play.stop();
  }, 50);
  const field = tick("velocity at this time", false, () => draw());
  const fresh = button("New start", () => { const normal = normals(random(seed++)); start = [normal(), normal()]; follow(false); });
  const choices = [
    ...(flows.length > 1 ? [choice("flow", flows, flows[0], (name) => { which = flows.indexOf(name); follow(); })] : []),
    ...(c ? [choice("class", classes, classes[0], (name) => { label = classes.indexOf(name); follow(); })] : []),
  ];
  const key = (name, text) => h("span", { class: name }, t(text));
  root.append(
    h("div", { class: "beside" },
      h("div", { class: "narrow" }, area.canvas, h("p", { class: "keys" }, key("plain", "coloured: codes of data"), key("full", "the path of the start"), key("dash", "the same with 200 steps"),
        key("dot small", "other starts, at this time"), key("rings noise", "noise, 1 and 2 standard deviations"))),
      h("div", { class: "stack" }, decoded.element, clock.element, dial.element, ...choices.map((one) => one.element), h("div", { class: "strip" }, play.element, fresh, field.element), readout)),
    h("figure", { class: "along" }, strip.canvas, h("figcaption", {}, t("decoded along the path, from time 0 to time 1"))), spoken.element);
  start = list(model.get("start"), "start", 2).map((value) => number(value, "A number of start"));
  follow();
  model.on("change:start", () => {
    const next = model.get("start");
    if (next?.length === 2 && next.every(Number.isFinite) && next.some((value, i) => value !== start[i])) { start = [...next]; follow(false); }
  });
}

export default figure(build);
