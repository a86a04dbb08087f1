// Draws every .nbh-figure of the page that nobody has drawn yet. plotly.js is loaded once, when the first figure comes near.
(() => {
  const loadPlotly = () => (window.nbhPlotly ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = document.querySelector('meta[name="nbhelpers-plotly"]')?.content || "@CDN@";
    // A page with require.js would make plotly.js an anonymous module instead of window.Plotly.
    const define = window.define;
    window.define = undefined;
    script.onload = () => { window.define = define; resolve(window.Plotly); };
    script.onerror = () => { window.define = define; window.nbhPlotly = undefined; reject(new Error(`cannot load ${script.src}`)); };
    document.head.append(script);
  }));

  // data-theme: the book; data-jp-theme-light: JupyterLab.
  const theme = () =>
    document.documentElement.dataset.theme === "dark" || document.body.dataset.jpThemeLight === "false" ? "dark" : "light";
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const between = (a, b, t) => b.map((end, i) => (typeof end === "number" && typeof a[i] === "number" ? a[i] + t * (end - a[i]) : end));
  const moving = ["x", "y", "z"];

  async function draw(figure) {
    const { data, layout, frames, themes, sprite } = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const plot = figure.querySelector(".nbh-plot");
    const Plotly = await loadPlotly();
    layout.template = themes[theme()];
    plot.replaceChildren();
    if (layout.scene) {
      // The camera's angle is measured upwards: on a narrow screen it has to step back.
      const back = Math.max(1, (0.95 * plot.clientHeight) / plot.clientWidth);
      const { eye } = layout.scene.camera;
      for (const key of moving) eye[key] *= back;
    }
    // A wheel over the figure scrolls the page; zooming is a button.
    const buttons = layout.scene ? ["orbitRotation", "zoom3d", "resetCameraDefault3d"] : ["resetScale2d"];
    await Plotly.newPlot(plot, data, layout, { responsive: true, displaylogo: false, scrollZoom: false, modeBarButtons: [buttons] });
    const observer = new MutationObserver(() => {
      if (figure.isConnected) Plotly.relayout(plot, { template: themes[theme()] });
      else observer.disconnect();
    });
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    if (frames.length) drive(figure, plot, Plotly, frames);
    if (sprite) showThumbnails(figure, plot, sprite);
    figure.dataset.state = "ready";
  }

  function drive(figure, plot, Plotly, frames) {
    const slider = figure.querySelector(".nbh-controls input");
    const output = figure.querySelector(".nbh-controls output");
    const button = figure.querySelector(".nbh-controls button");
    let drawn = frames[slider.value].data;
    let moves = 0;
    let timer;

    const put = (traces, at) => {
      const change = {};
      for (const key of new Set(at.flatMap(Object.keys))) if (key !== "type") change[key] = at.map((trace) => trace[key]);
      return Plotly.restyle(plot, change, traces);
    };
    function moveTo(step) {
      const { data: target, traces, name } = frames[step];
      const from = drawn;
      const begin = performance.now();
      slider.value = step;
      slider.setAttribute("aria-valuetext", name);
      output.textContent = name;
      const move = ++moves;
      const tick = async (now) => {
        if (move !== moves) return; // the reader has gone on
        const t = still.matches ? 1 : Math.min(1, Math.max(0, (now - begin) / 400));
        drawn = target.map((trace, i) => (t === 1 ? trace : Object.fromEntries(
          moving.filter((key) => key in trace).map((key) => [key, between(from[i][key], trace[key], t)]))));
        await put(traces, drawn);
        if (t < 1) requestAnimationFrame(tick);
        else if (move === moves) figure.dataset.step = step;
      };
      requestAnimationFrame(tick);
    }
    function pause() {
      clearInterval(timer);
      timer = undefined;
      button.textContent = "Play";
    }
    function play() {
      const last = frames.length - 1;
      if (Number(slider.value) === last) moveTo(0);
      button.textContent = "Pause";
      timer = setInterval(() => {
        if (!figure.isConnected || Number(slider.value) === last) pause();
        else moveTo(Number(slider.value) + 1);
      }, 1000);
    }
    slider.addEventListener("input", () => { pause(); moveTo(Number(slider.value)); });
    button.addEventListener("click", () => (timer ? pause() : play()));
    slider.disabled = button.disabled = false;
    figure.dataset.step = slider.value;
  }

  // customdata[0] of a point is the number of its image in the sprite sheet.
  function showThumbnails(figure, plot, { src, columns, rows }) {
    const panel = figure.querySelector(".nbh-hover");
    const side = Math.min(96, plot.clientWidth / 5);
    const image = panel.firstElementChild;
    Object.assign(image.style, {
      width: `${side}px`, height: `${side}px`,
      backgroundImage: `url(${src})`, backgroundSize: `${columns * side}px ${rows * side}px`,
    });
    plot.on("plotly_hover", ({ points: [{ customdata }] }) => {
      panel.hidden = !customdata;
      if (!customdata) return;
      const index = customdata[0];
      image.style.backgroundPosition = `${-(index % columns) * side}px ${-Math.floor(index / columns) * side}px`;
    });
    plot.on("plotly_unhover", () => { panel.hidden = true; });
  }

  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target).catch((error) => {
        target.dataset.state = "failed";
        target.querySelector(".nbh-plot").append(`This figure could not be drawn: ${error.message}.`);
        console.error(error);
      });
    }
  }, { rootMargin: "600px" });
  for (const figure of document.querySelectorAll(".nbh-figure:not([data-state])")) {
    figure.dataset.state = "waiting";
    near.observe(figure);
  }
})();
