// A GAN in the page: two networks play for points of the plane, of a given distribution or of one that the reader draws.
import { array, fail, list, number, texts, whole } from "./state.js";
import { among, during, layers, runner, short, within } from "./run.js";
import { CURVED, LOSSES, PENALTIES, game, pushes } from "./game.js";
import { drawArena, drawLosses, places } from "./arena.js";
import { normals, random } from "./random.js";
import { announcer, arrows, button, choice, dragging, figure, h, plot, seedInput, slider, t, tick, translate } from "./ui.js";

const SIZE = 340, CHART = [340, 170], SHOWN = 256, FULL = 1000; // made points that are shown; points that can be drawn
const SLICE = 10, SYNC = 400, LAST = 30000; // ms of training in a frame; ms between two words to Python; generator steps
const DRAWN = "your drawing", HALF = 1.6; // the view of a drawing
const HIDDEN = [[16], [64], [16, 16], [32, 32], [48, 48], [64, 64]], STEPS = [1, 2, 3, 5, 10];
const PLAYERS = ["both players", "critic only", "generator only"];
const USUAL = { Wasserstein: "gradient penalty" }; // a penalty without which a loss makes no sense

translate({
  "your drawing": "您的绘图", grid: "网格", "both players": "双方", "critic only": "仅判别器", "generator only": "仅生成器", critic: "判别器", generator: "生成器",
  "Critic step": "判别器一步", "Generator step": "生成器一步", "Play trains": "播放时训练", "critic's view": "判别器的判断", arrows: "箭头", penalty: "惩罚项", "penalty weight": "惩罚权重",
  "critic steps": "判别器步数", "gradient penalty": "梯度惩罚", clipping: "权重裁剪", minimax: "极小极大", "non-saturating": "非饱和", "least squares": "最小二乘", hinge: "合页",
  "updates of both players": "双方的更新次数", modes: "模式", "high quality": "高质量", "mean gradient": "平均梯度", steps: "步", "generated points": "生成的点",
  "way in which the generator's loss falls": "生成器损失下降的方向", "critic: data": "判别器：数据", "critic: generated": "判别器：生成", "Clear the drawing": "清除绘图",
  "data and generated points; background: what the critic says": "数据点与生成点；背景：判别器的判断", "The losses so far.": "到目前为止的损失。",
  "Drawing area: draw with the pointer; or arrow keys move the pen, space sprays points, Delete clears": "绘图区：用指针绘制；或用方向键移动画笔，空格键喷洒点，Delete 键清除",
  "Draw some points on the plane first.": "请先在平面上画一些点。", "points drawn": "个已绘制的点",
  "Draw on the plane, before or while the networks learn.": "在平面上绘制，可在网络学习之前或学习期间进行。",
});

function read(settings, names) {
  if (!settings || typeof settings !== "object") fail("The field settings is missing.");
  const { data, loss, penalty, penalty_weight, critic_steps, learning_rate, hidden, activation, seed } = settings;
  if (list(hidden, "hidden").length > 3) fail(`At most 3 hidden layers can be trained here, got ${hidden.length}.`);
  return {
    data: among(data, names, "data"), loss: among(loss, Object.keys(LOSSES), "loss"), penalty: among(penalty, Object.keys(PENALTIES), "penalty"),
    penalty_weight: within(penalty_weight, 1e-3, 100, "penalty_weight"), critic_steps: whole(critic_steps, "critic_steps", 1, 20),
    learning_rate: within(learning_rate, 1e-4, 0.1, "learning_rate"), hidden: hidden.map((units) => whole(units, "The units of a hidden layer", 1, 64)),
    activation: among(activation, CURVED, "activation"), seed: whole(seed, "seed", 0, 999999),
  };
}

/** Of points, how many lie within three scales of a mode, and how many modes have one (aecore.metrics.mode_coverage). */
export function coverage(points, { centres, scale }) {
  const found = new Set();
  let good = 0;
  for (let i = 0; i < points.length; i += 2) {
    let best = 0, least = Infinity;
    for (let k = 0; k < centres.length; k += 2) {
      const distance = Math.hypot(points[i] - centres[k], points[i + 1] - centres[k + 1]);
      if (distance < least) [best, least] = [k, distance];
    }
    if (least > 3 * scale) continue;
    good++;
    found.add(best);
  }
  return { modes: found.size, of: centres.length / 2, quality: (2 * good) / points.length };
}

export function build(spec, data, model, root) {
  const names = texts(spec.names, "names"), arrays = list(spec.points, "points", names.length);
  const sets = arrays.map((entry, i) => Float64Array.from(array(entry, `points of ${names[i]}`, data, [null, 2])));
  sets.forEach((x, i) => whole(x.length / 2, `The number of points of ${names[i]}`, 2, FULL));
  const mixtures = list(spec.modes, "modes", names.length).map((entry, i) => {
    if (entry === null) return null;
    const centres = array(entry.centres, `centres of ${names[i]}`, data, [null, 2]);
    whole(centres.length / 2, `The number of modes of ${names[i]}`, 1, 200);
    return { centres, scale: number(entry.scale, `The scale of ${names[i]}`) > 0 ? entry.scale : fail(`The scale of ${names[i]} must be above 0.`) };
  });
  const flat = list(model.get("drawn") ?? [], "drawn");
  flat.forEach((value) => within(value, -HALF, HALF, "A number in drawn"));
  if (flat.length % 2 || flat.length > 2 * FULL) fail(`drawn must be a list of at most ${FULL} pairs, got ${flat.length} numbers.`);
  const drawn = [...flat], halves = sets.map((x) => 1.3 * Math.max(...x.map(Math.abs)));
  let settings = read(model.get("settings"), [...names, DRAWN]);
  let run, z, losses, history, sent = 0, pen = null, spray = normals(random(1));
  const at = () => names.indexOf(settings.data), drawing = () => settings.data === DRAWN;
  const points = () => (drawing() ? Float64Array.from(drawn) : sets[at()]), half = () => (drawing() ? HALF : halves[at()]);

  const plane = plot(SIZE, SIZE, {}), chart = plot(...CHART, { role: "img" });
  const readout = h("p", { class: "readout" }), more = h("p", { class: "result" }), trouble = h("div"), spoken = announcer(true);
  const field = tick("critic's view", true, () => show(false)), ways = tick("arrows", true, () => show(false));
  let state = "";

  const tell = (everything) => { // Python, where there is one
    if (!everything && performance.now() - sent < SYNC) return;
    sent = performance.now();
    model.set("settings", settings);
    model.set("steps", { ...run.steps });
    model.set("losses", losses ?? {});
    if (everything) {
      model.set("weights", losses === null ? [] : [...run.weights.generator, ...run.weights.critic].map((w) => [...w]));
      model.set("trained", settings);
      model.set("drawn", [...drawn]);
    }
    model.save_changes();
  };
  const show = (further = true) => {
    const made = run.make(z), { logits, slopes } = pushes(run.weights.critic, made, run.specs.critic, settings.loss);
    const x = points(), said = run.judge(x.length ? x : made), pair = LOSSES[settings.loss];
    const mean = (values, f) => values.reduce((sum, value) => sum + f(value), 0) / values.length;
    losses = { critic: mean(said, pair.real.value) + mean(logits, pair.made.value), generator: mean(logits, pair.generator.value) };
    if (![losses.critic, losses.generator, ...made].every((value) => Math.abs(value) < 1e6)) {
      losses = null;
      spoken.say("");
      readout.textContent = t("diverged");
      trouble.append(h("div", { class: "fault", role: "alert" },
        h("p", {}, t("The run has diverged: its numbers have left all bounds. Choose a smaller learning rate, then start again.")), button("Start again", () => restart())));
      return;
    }
    const updates = run.steps.critic + run.steps.generator, mixture = mixtures[at()];
    if (further || !history.length) history.push([updates, losses.critic, losses.generator]);
    if (history.length > 800) history = history.filter((_, i) => i % 2 === 0);
    const push = mean(slopes.filter((_, i) => i % 2 === 0).map((dx, i) => Math.hypot(dx, slopes[2 * i + 1])), (length) => length);
    const found = mixture && coverage(made, mixture);
    readout.textContent = [`${t("critic")} ${short(losses.critic)}, ${t("generator")} ${short(losses.generator)}`,
      ...(found ? [`${t("modes")} ${found.modes} / ${found.of}, ${t("high quality")} ${Math.round(100 * found.quality)} %`] : [])].join("; ");
    more.textContent = `${t("steps")}: ${run.steps.critic} ${t("critic")}, ${run.steps.generator} ${t("generator")}; ${t("mean gradient")} ${short(push)}`
      + (drawing() ? `; ${drawn.length / 2} ${t("points drawn")}` : "");
    state = `${readout.textContent}. ${more.textContent}`;
    const wide = half();
    drawArena(plane.context, SIZE, wide, { data: x, made, loss: settings.loss, pen: drawing() ? pen : null,
      slopes: ways.input.checked ? slopes : null, logits: field.input.checked ? run.judge(places(wide)) : null });
    drawLosses(chart.context, CHART, history);
  };
  const rest = (quiet = false) => {
    play.stop();
    if (losses !== null) {
      if (!drawing()) plane.canvas.setAttribute("aria-label", `${t("data and generated points; background: what the critic says")}. ${state}`);
      chart.canvas.setAttribute("aria-label", `${t("The losses so far.")} ${state}`);
    }
    if (!quiet) tell(true);
  };
  const pause = () => {
    rest();
    if (losses !== null) spoken.say(`${t("Paused:")} ${state}`);
  };
  const ready = () => {
    if (losses === null) return false;
    if (!points().length) spoken.say(t("Draw some points on the plane first."));
    return points().length > 0;
  };
  const round = (who) => {
    if (who !== "generator only") for (let k = 0; k < (who === "critic only" ? 1 : settings.critic_steps); k++) run.critic(points(), settings);
    if (who !== "critic only") run.generator(settings);
  };
  const play = runner(root, { pause, rest, ready, tick: () => {
    during(Infinity, SLICE, () => round(player.select.value));
    show();
    if (losses === null) return rest();
    if (run.steps.generator >= LAST) return pause();
    tell(false);
  } });
  const one = (who) => () => {
    if (!ready()) return;
    round(who);
    show();
    pause();
  };
  const restart = (part = {}, quiet = false) => {
    settings = { ...settings, ...part };
    [run, history] = [game(settings), []];
    z = new Float64Array(2 * SHOWN).map(normals(random(settings.seed + 77))); // always the same ones are shown
    trouble.replaceChildren();
    spoken.say("");
    for (const [name, { select }] of Object.entries(choices)) select.value = name === "hidden" ? layers(settings.hidden) : settings[name];
    rate.set(Math.log10(settings.learning_rate));
    weight.set(Math.log10(settings.penalty_weight));
    weight.element.hidden = !PENALTIES[settings.penalty].share;
    seed.input.value = settings.seed;
    clear.hidden = hint.hidden = !drawing();
    plane.canvas.setAttribute("role", drawing() ? "application" : "img");
    if (drawing()) plane.canvas.setAttribute("aria-label", t("Drawing area: draw with the pointer; or arrow keys move the pen, space sprays points, Delete clears"));
    if (drawing()) plane.canvas.setAttribute("tabindex", 0);
    else plane.canvas.removeAttribute("tabindex"); // and no key reaches it
    plane.canvas.style.touchAction = drawing() ? "none" : "auto";
    plane.canvas.style.cursor = drawing() ? "crosshair" : "auto";
    show();
    rest(quiet);
  };
  const change = (part) => {
    settings = { ...settings, ...part }; // a new object: the model would take the old one for unchanged
    model.set("settings", settings);
    model.save_changes();
  };

  // Draw a distribution: the pen sprays points around itself.
  const sprayed = (count) => {
    for (let i = 0; i < count; i++) {
      if (drawn.length >= 2 * FULL) drawn.splice(0, 2); // the oldest goes
      drawn.push(...pen.map((c) => Math.max(-HALF, Math.min(HALF, c + 0.035 * spray()))));
    }
    if (!play.running()) show(false);
  };
  const told = () => {
    spoken.say(`${drawn.length / 2} ${t("points drawn")}`);
    model.set("drawn", [...drawn]);
    model.save_changes();
  };
  dragging(plane, (x, y) => {
    if (!drawing()) return;
    pen = [((2 * x) / SIZE - 1) * HALF, (1 - (2 * y) / SIZE) * HALF];
    sprayed(4);
  });
  plane.canvas.addEventListener("pointerup", () => drawing() && told());
  const wipe = () => {
    drawn.length = 0;
    restart();
    told();
  };
  arrows(plane.canvas, (dx, dy) => {
    pen = [dx, -dy].map((d, i) => Math.max(-HALF, Math.min(HALF, (pen ?? [0, 0])[i] + d * 0.05)));
    if (!play.running()) show(false);
  }, { " ": () => { pen ??= [0, 0]; sprayed(10); told(); }, Delete: wipe, Backspace: wipe });
  plane.canvas.addEventListener("blur", () => { pen = null; if (losses !== null && !play.running()) show(false); });

  const shapes = HIDDEN.some((hidden) => layers(hidden) === layers(settings.hidden)) ? HIDDEN : [settings.hidden, ...HIDDEN];
  const numbers = STEPS.includes(settings.critic_steps) ? STEPS : [settings.critic_steps, ...STEPS];
  const choices = {
    data: choice("data", [...names, DRAWN], settings.data, (name) => restart({ data: name })),
    loss: choice("loss", Object.keys(LOSSES), "", (name) => restart({ loss: name, ...(USUAL[name] ? { penalty: USUAL[name] } : {}) })),
    penalty: choice("penalty", Object.keys(PENALTIES), "", (name) => restart({ penalty: name })),
    critic_steps: choice("critic steps", numbers, "", (count) => change({ critic_steps: +count })),
    hidden: choice("hidden layers", shapes.map(layers), "", (name) => restart({ hidden: shapes.find((hidden) => layers(hidden) === name) })),
    activation: choice("activation", CURVED, "", (name) => restart({ activation: name })),
  };
  const tenth = (name, label, [min, max]) => slider(label, { min, max, step: 0.1, value: min, show: (power) => short(+(10 ** power).toPrecision(2)) },
    (power) => change({ [name]: +(10 ** power).toPrecision(2) }));
  const rate = tenth("learning_rate", "learning rate", [-4, -1]), weight = tenth("penalty_weight", "penalty weight", [-3, 2]);
  const seed = seedInput((value) => restart(value === null ? {} : { seed: value })), player = choice("Play trains", PLAYERS, PLAYERS[0], () => {});
  const clear = button("Clear the drawing", wipe), hint = h("p", { class: "result" }, t("Draw on the plane, before or while the networks learn."));
  const key = (name, text) => h("span", { class: name }, t(text));
  root.append(
    h("div", { class: "beside training" },
      h("div", { class: "stack" },
        h("figure", {}, plane.canvas, h("figcaption", { class: "keys" }, key("dot blue", "data"), key("diamond", "generated points"),
          key("pointer", "way in which the generator's loss falls"), key("patch bluish", "critic: data"), key("patch orange", "critic: generated"))),
        hint,
        h("div", { class: "strip" }, play.element, button("Step", one("both players")), button("Critic step", one("critic only")), button("Generator step", one("generator only")),
          button("Reset", () => restart()), button("New weights", () => restart({ seed: (settings.seed + 1) % 1000000 })), clear),
        readout, more, trouble),
      h("div", { class: "stack" },
        h("figure", {}, chart.canvas, h("figcaption", { class: "keys" }, key("full", "critic"), key("dash brown", "generator"))),
        h("div", { class: "draws" }, player.element, field.element, ways.element),
        h("div", { class: "settings wide" }, ...Object.values(choices).map((c) => c.element), seed.element), rate.element, weight.element)),
    spoken.element);
  restart({}, model.get("weights")?.length > 0); // another view has trained: what it sent stays
  model.on("change:settings", () => JSON.stringify(model.get("settings")) !== JSON.stringify(settings) && restart(read(model.get("settings"), [...names, DRAWN])));
}

export default figure(build);
