// The static page's stand-in for a kernel: it finds the figures that the notebook saved and starts them here.
// A classic script without fetch, so that a page opened from a file is alive too.
(() => {
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const modules = new Map(), styles = new Set();

  function load(text) {
    if (!modules.has(text)) modules.set(text, import(URL.createObjectURL(new Blob([text], { type: "text/javascript" }))));
    return modules.get(text);
  }

  function unpack(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  }

  // What anywidget hands to `render`, with nobody at the other end.
  function stand_in({ state, buffers = [] }) {
    const values = { ...state }, listeners = {};
    for (const { path, data } of buffers) values[path[0]] = unpack(data);
    return {
      get: (name) => values[name],
      set(name, value) {
        values[name] = value;
        for (const listener of listeners[`change:${name}`] ?? []) listener();
      },
      on: (event, listener) => (listeners[event] ??= []).push(listener),
      off: (event, listener) => { listeners[event] = (listeners[event] ?? []).filter((other) => other !== listener); },
      save_changes() {},
    };
  }

  async function start(view, states) {
    const place = view.parentElement;
    const el = document.createElement("div");
    view.after(el);
    try {
      const saved = states[JSON.parse(view.textContent).model_id];
      if (!saved?.state?._esm) throw new Error("The page does not hold this figure.");
      if (saved.state._css && !styles.has(saved.state._css)) {
        styles.add(saved.state._css);
        document.head.append(Object.assign(document.createElement("style"), { textContent: saved.state._css }));
      }
      await (await load(saved.state._esm)).default.render({ model: stand_in(saved), el });
    } catch (error) {
      const fault = document.createElement("p");
      fault.className = "fault";
      fault.setAttribute("role", "alert");
      fault.textContent = `This figure cannot be started. ${error.message}`;
      el.replaceChildren(fault);
    }
    place.classList.add(el.querySelector(".fault") ? "live-failed" : "live-running");
  }

  function begin() {
    const views = document.querySelectorAll(VIEW);
    if (!views.length) return;
    let states;
    try {
      states = JSON.parse(document.querySelector(STATE).textContent).state;
    } catch {
      states = {};
    }
    // A figure starts when it comes near the window, so that a page with many is read at once.
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        start(target.querySelector(VIEW), states);
      }
    }, { rootMargin: "800px" });
    for (const view of views) near.observe(view.parentElement);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
