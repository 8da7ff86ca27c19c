// Frames: anything computed before, one picture at a time.
import { file, list, texts, whole } from "./state.js";
import { announcer, figure, h, player, slider, t } from "./ui.js";

export function build(spec, data, model, root) {
  const captions = texts(spec.captions, "captions");
  const last = whole(captions.length, "The number of frames", 1, 500) - 1;
  const urls = list(spec.frames, "frames", captions.length).map((entry, i) => file(entry, `frame ${i + 1}`, data, "image/png"));
  const width = whole(spec.size, "size", 16, 2000);
  const screen = h("img", { alt: "", width, class: spec.smooth === true ? "smooth" : "pixels" });
  screen.addEventListener("error", () => root.replaceChildren(h("p", { class: "fault", role: "alert" }, `${t("This figure cannot be drawn.")} Frame ${frame + 1} is not a picture.`)));
  const caption = h("figcaption"), spoken = announcer();
  let frame = 0;
  const show = (next) => {
    frame = Math.max(0, Math.min(last, next));
    screen.src = urls[frame];
    screen.alt = caption.textContent = captions[frame];
    control.set(frame);
    spoken.say(captions[frame]);
  };
  const go = (next) => {
    show(next);
    model.set("frame", frame);
    model.save_changes();
  };
  const by = (next) => { play.stop(); go(next); };
  const control = slider(spec.name || "frame", { min: 0, max: last, step: 1, value: 0, show: (v) => `${v + 1} / ${last + 1}` }, by);
  const play = player(() => go(frame === last ? 0 : frame + 1), whole(spec.pause, "pause", 20, 60000));
  root.append(h("figure", {}, screen, caption), h("div", { class: "beside" }, play.element, control.element), spoken.element);
  show(whole(model.get("frame"), "frame", 0, last));
  model.on("change:frame", () => model.get("frame") !== frame && show(model.get("frame")));
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}

export default figure(build);
