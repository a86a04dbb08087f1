// Draws every .nbh-figure of the page that nobody has drawn yet. plotly.js is loaded once, when the first figure comes near.
(() => {
  if (window.nbhFigures) return window.nbhFigures();
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

  // data-theme: the book; data-jp-theme-light: JupyterLab. Forced colours take no heed of either.
  const forced = window.matchMedia("(forced-colors: active)");
  const night = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (forced.matches ? night.matches
    : document.documentElement.dataset.theme === "dark" || document.body.dataset.jpThemeLight === "false");
  const theme = () => (dark() ? "dark" : "light");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const between = (a, b, t) => b.map((end, i) => (typeof end === "number" && typeof a[i] === "number" ? a[i] + t * (end - a[i]) : end));
  const moving = ["x", "y", "z"];

  async function draw(figure) {
    const { data, layout, frames, themes, sprite, picker, search } = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const plot = figure.querySelector(".nbh-plot");
    const Plotly = await loadPlotly();
    layout.template = themes[theme()];
    plot.replaceChildren();
    if (layout.scene) {
      // The camera's angle is measured upwards: on a narrow screen it has to step back.
      const back = Math.max(1, (0.98 * plot.clientHeight) / plot.clientWidth);
      for (const key of moving) layout.scene.camera.eye[key] *= back;
    }
    // A wheel over the figure scrolls the page; zooming is a button.
    const buttons = layout.scene ? ["orbitRotation", "zoom3d", "resetCameraDefault3d"] : ["resetScale2d"];
    await Plotly.newPlot(plot, data, layout, { responsive: true, displaylogo: false, scrollZoom: false, modeBarButtons: [buttons] });
    // What plotly has drawn is told by the sentence and the table; its letters would be read one by one.
    for (const layer of plot.querySelectorAll(".main-svg, .gl-container")) layer.setAttribute("aria-hidden", true);
    if (layout.scene) {
      pickEnds(plot._fullLayout.scene._scene);
      turnByKeys(plot, Plotly, layout.scene.camera);
      printable(plot);
    }
    const dress = () => {
      if (figure.isConnected) Plotly.relayout(plot, { template: themes[theme()] });
      else observer.disconnect();
    };
    const observer = new MutationObserver(dress);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    for (const media of [forced, night]) media.addEventListener("change", dress);
    if (frames.length) drive(figure, plot, Plotly, frames);
    if (sprite) showThumbnails(figure, plot, sprite);
    if (picker) await follow(figure, plot, Plotly, frames, picker);
    if (search) find(figure, plot, Plotly, frames, search);
    figure.dataset.state = "ready";
  }

  // Plotly looks up what lies under the mouse in a picture that it reads later than it draws: a line that has become
  // shorter is met beyond its end. Of an end plotly tells no coordinates, misses them, and never draws again.
  function pickEnds(scene) {
    const onselect = (selection) => { selection.dataCoordinate ??= selection.dataPosition; };
    const { prepareOptions } = scene;
    scene.prepareOptions = () => ({ ...prepareOptions.call(scene), onselect }); // asked for again when WebGL was lost
    scene.glplot.onselect = onselect;
  }

  // Plotly turns a figure by mouse only.
  function turnByKeys(plot, Plotly, camera) {
    const home = { up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: 0 }, ...structuredClone(camera) };
    const scaled = (a, s) => ({ x: s * a.x, y: s * a.y, z: s * a.z });
    const sum = (...all) => all.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y, z: a.z + b.z }));
    const dot = (a, b) => a.x * b.x + a.y * b.y + a.z * b.z;
    const cross = (a, b) => ({ x: a.y * b.z - a.z * b.y, y: a.z * b.x - a.x * b.z, z: a.x * b.y - a.y * b.x });
    const unit = (a) => scaled(a, 1 / Math.sqrt(dot(a, a)));
    const turned = (a, axis, angle) => sum(
      scaled(a, Math.cos(angle)), scaled(cross(axis, a), Math.sin(angle)), scaled(axis, dot(axis, a) * (1 - Math.cos(angle))));
    const turn = (sideways, upwards) => ({ eye, up, center }) => {
      const right = unit(cross(up, eye));
      const axis = unit(cross(eye, right)); // upright on the screen
      const both = (a) => turned(turned(a, axis, sideways), right, upwards);
      return { eye: both(eye), up: both(up), center };
    };
    const zoom = (factor) => ({ eye, ...rest }) => {
      const size = Math.sqrt(dot(eye, eye) / dot(home.eye, home.eye));
      return { eye: scaled(eye, Math.min(3, Math.max(0.3, size * factor)) / size), ...rest };
    };
    const angle = Math.PI / 18;
    const nearer = zoom(0.9), further = zoom(1 / 0.9);
    const keys = {
      ArrowLeft: turn(angle, 0), ArrowRight: turn(-angle, 0), ArrowUp: turn(0, angle), ArrowDown: turn(0, -angle),
      "+": nearer, "=": nearer, "-": further, "_": further, Home: () => home,
    };
    Object.assign(plot, { tabIndex: 0, role: "application", ariaRoleDescription: "3-D view",
      ariaLabel: "Arrow keys turn it, plus and minus zoom, Home brings it back." });
    plot.addEventListener("keydown", (event) => {
      if (event.target !== plot || event.ctrlKey || event.altKey || event.metaKey || !(event.key in keys)) return;
      event.preventDefault(); // the page stays where it is
      Plotly.relayout(plot, { "scene.camera": keys[event.key]({ ...home, ...plot.layout.scene.camera }) });
    });
    plot.addEventListener("pointerdown", () => plot.focus({ preventScroll: true }));
  }

  // What WebGL has drawn is gone when paper asks for it: a copy is printed.
  function printable(plot) {
    const copies = [];
    window.addEventListener("beforeprint", () => {
      if (!plot.isConnected) return;
      plot._fullLayout.scene._scene.glplot.redraw();
      for (const canvas of plot.querySelectorAll(".gl-container canvas")) {
        const copy = canvas.cloneNode();
        copy.getContext("2d").drawImage(canvas, 0, 0);
        canvas.before(copy);
        copies.push(copy);
      }
    });
    window.addEventListener("afterprint", () => { while (copies.length) copies.pop().remove(); });
  }

  function drive(figure, plot, Plotly, frames) {
    const slider = figure.querySelector(".nbh-controls input");
    const output = figure.querySelector(".nbh-controls output");
    const button = figure.querySelector(".nbh-controls button");
    let drawn = frames[slider.value].data;
    let moves = 0, timer;

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
    // A screen reader tells the slider's own value; of a play it tells where it stopped.
    const tellSteps = (how) => output.setAttribute("aria-live", how);
    function pause() {
      clearInterval(timer);
      timer = undefined;
      button.textContent = "Play";
    }
    function play() {
      const last = frames.length - 1;
      tellSteps("off");
      if (Number(slider.value) === last) moveTo(0);
      button.textContent = "Pause";
      timer = setInterval(() => {
        const next = Number(slider.value) + 1;
        if (!figure.isConnected) return pause();
        if (next === last) {
          pause();
          tellSteps("polite");
        }
        moveTo(next);
      }, 1000);
    }
    slider.addEventListener("input", () => { pause(); tellSteps("off"); moveTo(Number(slider.value)); });
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

  // A category whose name a reader writes is drawn once more, points and arrow, through all frames.
  function find(figure, plot, Plotly, frames, { names, members, shafts, here, arrow }) {
    const box = figure.querySelector(".nbh-find");
    const field = box.querySelector("input");
    const told = box.querySelector("output");
    const slider = figure.querySelector(".nbh-controls input");
    const list = box.appendChild(document.createElement("datalist"));
    window.nbhLists = (window.nbhLists ?? 0) + 1;
    list.id = `nbh-list-${window.nbhLists}`;
    list.append(...names.map(([name]) => Object.assign(document.createElement("option"), { value: name })));
    field.setAttribute("list", list.id);
    const steps = frames.length ? frames : [{ data: plot.data, traces: plot.data.map((_, trace) => trace) }];
    // The points of one category among those of some traces; a trace that does not move is in no frame.
    function gather(of, category, { data, traces }) {
      const at = { x: [], y: [], z: [] };
      for (const [trace, categories] of Object.entries(of)) {
        const moved = traces.indexOf(Number(trace));
        const source = moved < 0 ? plot.data[trace] : data[moved];
        categories.forEach((its, i) => { if (its === category) for (const key of moving) at[key].push(source[key][i]); });
      }
      return at;
    }
    const put = (trace, places, text) => {
      frames.forEach(({ data, traces }, step) => Object.assign(data[traces.indexOf(trace)], places[step]));
      const now = places[slider ? slider.value : 0];
      return Plotly.restyle(plot, { ...Object.fromEntries(moving.map((key) => [key, [now[key]]])), ...(text && { text: [text] }) }, [trace]);
    };
    const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const folded = names.map(([name]) => fold(name));
    async function seek() {
      const asked = fold(field.value.trim());
      const exact = names.findIndex(([name]) => name === field.value.trim());
      const fitting = asked ? folded.flatMap((name, i) => (name.includes(asked) ? [i] : [])) : [];
      const whole = fitting.filter((i) => folded[i] === asked);
      const category = exact >= 0 ? exact : whole.length === 1 ? whole[0] : fitting.length === 1 ? fitting[0] : -1;
      const points = steps.map((step) => gather(members, category, step));
      told.textContent = category >= 0
        ? `${names[category][0]}: its arrow${points[0].x.length ? ` and ${points[0].x.length} points` : ""}`
        : asked && `${fitting.length || "no"} categories have this in their name`;
      await put(here, points);
      await put(arrow, steps.map((step) => gather(shafts, category, step)), category < 0 ? [] : ["", "", "", names[category][1]]);
      figure.dataset.found = category;
    }
    field.addEventListener("input", seek);
    field.disabled = false;
  }

  // A region picked on its image, or as a point, is marked there and in 3-D, joined through all frames and told in words.
  // customdata of a point is its image, its region and its strength.
  function follow(figure, plot, Plotly, frames, { names, grid: [rows, columns], picked, path, here }) {
    const slider = figure.querySelector(".nbh-controls input");
    const label = figure.querySelector(".nbh-controls label").textContent;
    const told = figure.querySelector(".nbh-told");
    const set = (element, attributes) => {
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      return element;
    };
    const make = (parent, tag, attributes) => set(parent.appendChild(document.createElement(tag)), attributes);
    const cells = [...figure.querySelectorAll(".nbh-regions")].map((grid, image) => {
      set(grid, { role: "grid", "aria-label": names[image] });
      const lines = Array.from({ length: rows }, () => make(grid, "div", { role: "row" }));
      return lines.flatMap((line, row) => Array.from({ length: columns }, (_, column) => make(line, "button", {
        type: "button", role: "gridcell", "aria-selected": false, "data-at": [image, row * columns + column],
        "aria-label": `${names[image]}, row ${row + 1}, column ${column + 1}`,
      })));
    });
    const places = frames.map(({ data }) => {
      const at = {};
      for (const { x, y, z, customdata = [] } of data)
        customdata.forEach(([image, region, strength], i) => { at[[image, region]] = { x: x[i], y: y[i], z: z[i], strength }; });
      return at;
    });

    // Of many steps only the first, the weakest and the last are told; a bare number needs to be told what it counts.
    function tell(along) {
      const many = along.length > 8;
      const least = along.reduce((low, { strength }, step) => (strength < along[low].strength ? step : low), 0);
      const steps = many ? new Set([0, least, along.length - 1]) : along.keys();
      return Array.from(steps, (step) => {
        const { name } = frames[step];
        const at = isNaN(name) ? name : `${label} ${name}`;
        return `${many && step === least ? "least " : ""}${along[step].strength.toFixed(2)} at ${at}`;
      }).join(", ");
    }
    function show([image, region]) {
      const along = places.map((at) => at[[image, region]]);
      // The frames follow too, so that the slider moves the mark of this region.
      frames.forEach(({ data, traces }, step) => {
        for (const key of moving) data[traces.indexOf(here)][key] = [along[step][key]];
      });
      const change = Object.fromEntries(moving.map((key) => [key, [along.map((place) => place[key]), [along[slider.value][key]]]]));
      told.textContent = `${cells[image][region].getAttribute("aria-label")}: strength ${tell(along)}.`;
      return Plotly.restyle(plot, change, [path, here]);
    }
    // Tab goes from image to image, to the region where the reader was last; arrow keys go from region to region.
    const reach = ([image, region]) => cells[image].forEach((cell, i) => { cell.tabIndex = i === region ? 0 : -1; });
    const select = ([image, region], is) => cells[image][region].setAttribute("aria-selected", is);
    function pick(at) {
      select(picked, false);
      select(at, true);
      reach(at);
      picked = at;
      return show(at);
    }
    const keys = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -columns], End: [0, columns] };
    function go([image, region], event) {
      if (!(event.key in keys)) return;
      event.preventDefault(); // the page stays where it is
      const [down, right] = keys[event.key];
      const inside = (n, size) => Math.min(size - 1, Math.max(0, n));
      const row = inside(Math.floor(region / columns) + down, rows);
      const next = row * columns + inside((region % columns) + right, columns);
      reach([image, next]);
      cells[image][next].focus();
    }
    const strip = figure.querySelector(".nbh-strip");
    const at = (element) => element?.dataset.at?.split(",").map(Number);
    const listen = (type, act) => strip.addEventListener(type, (event) => { if (at(event.target)) act(at(event.target), event); });
    const leave = (_, { relatedTarget }) => { if (!at(relatedTarget)) show(picked); };
    for (const type of ["pointerover", "focusin"]) listen(type, show);
    for (const type of ["pointerout", "focusout"]) listen(type, leave);
    listen("click", pick);
    listen("keydown", go);
    // Plotly says so while it draws: to draw anew at once would stop it for good.
    plot.on("plotly_click", ({ points: [{ customdata }] }) => customdata && requestAnimationFrame(() => pick(customdata.slice(0, 2))));
    names.forEach((_, image) => reach([image, 0]));
    return pick(picked);
  }

  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target).catch((error) => {
        target.dataset.state = "failed";
        target.querySelector(".nbh-alt").append(` This figure could not be drawn: ${error.message}.`);
        console.error(error);
      });
    }
  }, { rootMargin: "600px" });
  window.nbhFigures = () => {
    for (const figure of document.querySelectorAll(".nbh-figure:not([data-state])")) {
      figure.dataset.state = "waiting";
      near.observe(figure);
    }
  };
  window.nbhFigures();
})();
