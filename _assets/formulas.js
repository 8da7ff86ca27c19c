// Sets the formulas with MathJax (1.1 MB): after the first text is seen, those in view first, and a few at a time,
// so that the page answers its reader all the while. `window.formulas` is a promise that all are set.
(() => {
  const MATHJAX = new URL("mathjax/tex-chtml.js", document.currentScript.src).href;
  const AT_ONCE = 5, PAUSE = 12; // formulas in one call; milliseconds of work before others have their turn

  const painted = new Promise((done) => {
    // A tab in the background is painted when it is looked at; a browser that does not tell when waits for a second.
    new PerformanceObserver(() => done()).observe({ type: "paint", buffered: true });
    addEventListener("load", () => setTimeout(done, 1000));
  });

  const loaded = () => new Promise((done, failed) => {
    window.MathJax = { ...window.MathJax, startup: { typeset: false, pageReady: done } };
    const script = document.createElement("script");
    Object.assign(script, { src: MATHJAX, onerror: () => failed(new Error(`not loaded: ${MATHJAX}`)) });
    document.head.append(script);
  });

  function inView(element) {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }

  async function setAll() {
    const all = [...document.querySelectorAll(".math")], first = new Set(all.filter(inView));
    const queue = [...first, ...all.filter((element) => !first.has(element))];
    let start = performance.now();
    for (let i = 0; i < queue.length; i += AT_ONCE) {
      await MathJax.typesetPromise(queue.slice(i, i + AT_ONCE));
      if (performance.now() - start < PAUSE) continue;
      await new Promise((done) => setTimeout(done));
      start = performance.now();
    }
  }

  window.formulas = painted.then(loaded).then(setAll);
  // What is printed is not to wait for its turn.
  addEventListener("beforeprint", () => window.MathJax?.typeset?.());
})();
