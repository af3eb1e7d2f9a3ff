// A viewer of one image: planes and overlays are pictures that the server makes, so it needs no WebGL.
// NiiVue, which does, is loaded where three planes are asked for.
const PRESETS = { lung: [1500, -600], "soft tissue": [400, 40], bone: [2500, 480], brain: [80, 40], liver: [150, 90] };
const AHEAD = 3; // planes fetched before they are asked for
const KEPT = 400; // pictures

class Viewer {
  constructor(element) {
    this.element = element;
    this.view = JSON.parse(element.dataset.view);
    this.screen = element.querySelector(".screen");
    this.picture = element.querySelector("img.plane");
    this.over = element.querySelector("img.over");
    this.state = { plane: this.view.plane, ...this.view.window, invert: false, zoom: 1, x: 0, y: 0, over: "", opacity: 0.6 };
    this.others = [];
    this.ready = new Map();
    this.part = (name) => element.querySelector(`[data-${name}]`);
    this.frame();
    new ResizeObserver(() => this.frame()).observe(this.screen);
    this.mouse();
    this.tools();
    this.screen.addEventListener("keydown", (event) => this.key(event));
    this.draw();
  }

  /** The picture has the proportions of the body and fills the screen. */
  frame() {
    const { clientWidth: wide, clientHeight: high } = this.screen;
    const by = Math.min(wide / this.view.width_mm, high / this.view.height_mm);
    for (const image of [this.picture, this.over]) {
      image.style.width = `${this.view.width_mm * by}px`;
      image.style.height = `${this.view.height_mm * by}px`;
    }
    this.place();
  }

  place() {
    const { x, y, zoom } = this.state;
    for (const image of [this.picture, this.over]) image.style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px) scale(${zoom})`;
  }

  address(plane) {
    const { width, level, invert } = this.state;
    const asked = { image: this.view.image, plane, width: +width.toPrecision(6), level: +level.toPrecision(6) };
    if (invert) asked.invert = true;
    return `images/plane?${new URLSearchParams(asked)}`;
  }

  overAddress(plane) {
    const asked = new URLSearchParams(this.state.over === "query" ? this.view.asked : "");
    asked.set("image", this.view.image);
    asked.set("plane", plane);
    asked.set("kind", this.state.over);
    return `images/overlay?${asked}`;
  }

  /** A decoded picture of an address; the last ones are kept. */
  fetch(address) {
    if (!this.ready.has(address)) {
      const image = new Image();
      image.src = address;
      this.ready.set(address, image.decode().then(() => image));
      this.ready.get(address).catch(() => this.ready.delete(address));
      if (this.ready.size > KEPT) this.ready.delete(this.ready.keys().next().value);
    }
    return this.ready.get(address);
  }

  /** Show the state as it is now. While one picture is under way the next waits, and what was passed is left out. */
  async draw() {
    this.label();
    if (this.drawing) return void (this.again = true);
    this.drawing = true;
    do {
      this.again = false;
      const { plane, over } = this.state;
      try {
        const [image, cover] = await Promise.all([this.fetch(this.address(plane)), over && this.fetch(this.overAddress(plane))]);
        this.picture.src = image.src;
        if (cover) this.over.src = cover.src;
        this.over.hidden = !cover;
        this.note("");
      } catch {
        await this.complain(over ? this.overAddress(plane) : this.address(plane));
      }
    } while (this.again);
    this.drawing = false;
    for (let by = 1; by <= AHEAD; by += 1)
      for (const plane of [this.state.plane + by, this.state.plane - by])
        if (plane >= 0 && plane < this.view.planes && !this.held) this.fetch(this.address(plane)).catch(() => {});
  }

  /** A picture that did not come: ask the server for its sentence. */
  async complain(address) {
    const answer = await fetch(address).catch(() => null);
    const body = await answer?.json().catch(() => null);
    this.note(body?.error?.message ?? "The picture did not come. Is the server still running?");
  }

  note(text) {
    const note = this.part("note");
    note.hidden = !text;
    note.textContent = text;
  }

  label() {
    const { plane, width, level, opacity, over, invert } = this.state;
    const { planes, step_mm: step } = this.view;
    this.part("window").textContent = `W ${Math.round(width)} L ${Math.round(level)}${invert ? " inverted" : ""}`;
    if (planes > 1) {
      this.part("plane").textContent = `plane ${plane + 1}/${planes} · ${Math.round(plane * step)} mm`;
      this.part("scroll").value = plane + 1;
      this.part("scroll").setAttribute("aria-valuetext", `plane ${plane + 1} of ${planes}`);
    }
    this.over.style.opacity = opacity;
    this.part("invert").setAttribute("aria-pressed", invert);
    for (const button of this.element.querySelectorAll("[data-over]")) button.setAttribute("aria-pressed", button.dataset.over === over);
    for (const button of document.querySelectorAll("[data-go]"))
      button.toggleAttribute("aria-current", Math.abs(button.dataset.go - plane) * 2 <= planes / document.querySelectorAll("[data-go]").length);
  }

  /** Change the state here and, where viewers are linked, in the others. */
  set(changes, linked = true) {
    const before = this.state;
    this.state = { ...before, ...changes };
    this.state.plane = Math.min(Math.max(Math.round(this.state.plane), 0), this.view.planes - 1);
    this.state.width = Math.max(this.state.width, 1e-3);
    this.state.zoom = Math.min(Math.max(this.state.zoom, 0.25), 20);
    this.place();
    this.draw();
    if (!linked) return;
    for (const [other, apart] of this.others) {
      const theirs = { ...changes };
      if ("plane" in changes) theirs.plane = (this.height() + apart) / (other.view.step_mm || 1);
      if (other.view.unit !== this.view.unit) {
        delete theirs.width;
        delete theirs.level;
      }
      if (theirs.over === "query" && !other.view.asked) delete theirs.over;
      other.set(theirs, false);
    }
  }

  /** mm above the lowest plane. */
  height() {
    return this.state.plane * this.view.step_mm;
  }

  reset() {
    this.set({ ...this.view.window, plane: this.view.plane, invert: false, zoom: 1, x: 0, y: 0, over: "", opacity: 0.6 });
    this.part("opacity").value = 60;
  }

  toggle(over) {
    this.set({ over: this.state.over === over ? "" : over });
  }

  preset(name) {
    if (this.view.presets.includes(name)) this.set({ width: PRESETS[name][0], level: PRESETS[name][1] });
  }

  zoom(by) {
    this.set({ zoom: this.state.zoom * by });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { plane } = this.state;
    const names = Object.keys(PRESETS);
    const acts = {
      ArrowUp: () => this.set({ plane: plane + 1 }),
      ArrowDown: () => this.set({ plane: plane - 1 }),
      PageUp: () => this.set({ plane: plane + 10 }),
      PageDown: () => this.set({ plane: plane - 10 }),
      Home: () => this.set({ plane: 0 }),
      End: () => this.set({ plane: this.view.planes - 1 }),
      "+": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      r: () => this.reset(),
      i: () => this.set({ invert: !this.state.invert }),
      a: () => this.toggle("attention"),
      q: () => this.view.asked && this.toggle("query"),
    };
    const act = acts[event.key] ?? acts[event.key.toLowerCase()] ?? (names[event.key - 1] && (() => this.preset(names[event.key - 1])));
    if (!act) return;
    event.preventDefault();
    act();
  }

  mouse() {
    this.screen.addEventListener("wheel", (event) => {
      if (this.view.planes === 1 && !event.ctrlKey) return;
      event.preventDefault();
      if (event.ctrlKey) this.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      else this.set({ plane: this.state.plane + (event.deltaY < 0 ? 1 : -1) });
    }, { passive: false });
    this.screen.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      event.preventDefault();
      this.screen.focus();
      this.screen.setPointerCapture(event.pointerId);
      this.held = { moves: event.button === 1 || event.shiftKey, x: event.clientX, y: event.clientY, from: this.state };
    });
    this.screen.addEventListener("pointermove", (event) => {
      if (!this.held) return;
      const [right, down] = [event.clientX - this.held.x, event.clientY - this.held.y];
      const { from, moves } = this.held;
      if (moves) return this.set({ x: from.x + right, y: from.y + down });
      const step = this.view.window.width / 300; // a hand's width on the screen is the whole usual window
      this.set({ width: Math.max(from.width + right * step, step), level: from.level + down * step });
    });
    for (const end of ["pointerup", "pointercancel"]) this.screen.addEventListener(end, () => (this.held = null));
  }

  tools() {
    this.part("scroll")?.addEventListener("input", (event) => this.set({ plane: event.target.value - 1 }));
    this.part("opacity").addEventListener("input", (event) => this.set({ opacity: event.target.value / 100, over: this.state.over || "attention" }));
    this.part("invert").addEventListener("click", () => this.set({ invert: !this.state.invert }));
    this.part("reset").addEventListener("click", () => this.reset());
    this.part("volume")?.addEventListener("click", (event) => this.volume(event.target));
    for (const button of this.element.querySelectorAll("[data-preset]")) button.addEventListener("click", () => this.preset(button.dataset.preset));
    for (const button of this.element.querySelectorAll("[data-over]")) button.addEventListener("click", () => this.toggle(button.dataset.over));
  }

  /** Three planes at once by NiiVue; where WebGL2 is missing the page says so and goes on with pictures. */
  async volume(button) {
    const canvas = this.element.querySelector("canvas.volume");
    if (this.niivue) {
      canvas.hidden = !canvas.hidden;
      button.setAttribute("aria-pressed", !canvas.hidden);
      return;
    }
    button.disabled = true;
    this.note("Loading the volume …");
    try {
      if (!document.createElement("canvas").getContext("webgl2")) throw new Error("this browser has no WebGL2");
      await script("static/niivue/niivue.umd.js");
      canvas.hidden = false;
      const shown = new globalThis.niivue.Niivue({ backColor: [0, 0, 0, 1], isRadiologicalConvention: true, show3Dcrosshair: false, logLevel: "error" });
      await shown.attachToCanvas(canvas);
      const { width, level } = this.state;
      const url = new URL(`images/volume.nii?${new URLSearchParams({ image: this.view.image })}`, location.href).href;
      await shown.loadVolumes([{ url, name: "volume.nii", cal_min: level - width / 2, cal_max: level + width / 2 }]);
      shown.setSliceType(shown.sliceTypeMultiplanar);
      this.niivue = shown;
      button.setAttribute("aria-pressed", true);
      this.note("");
    } catch (error) {
      canvas.hidden = true;
      this.note(`Three planes need WebGL2: ${error.message}. The planes above do not.`);
      if (!this.niivue) button.hidden = true;
    }
    button.disabled = false;
  }
}

function script(address) {
  return new Promise((done, failed) => {
    const element = Object.assign(document.createElement("script"), { src: address });
    element.addEventListener("load", done);
    element.addEventListener("error", () => failed(new Error("the viewer could not be loaded")));
    document.head.append(element);
  });
}

/** Every viewer of the page; those in a linked group move together while the box is ticked. */
export function viewers() {
  const found = [...document.querySelectorAll(".viewer")].map((element) => new Viewer(element));
  const link = document.querySelector("[data-link]");
  const linked = () => {
    // As far apart as they are now: each begins at its own finding.
    for (const viewer of found)
      viewer.others = link?.checked ? found.filter((other) => other !== viewer).map((other) => [other, other.height() - viewer.height()]) : [];
  };
  link?.addEventListener("change", linked);
  linked();
  for (const button of document.querySelectorAll("[data-go]"))
    button.addEventListener("click", () => found[0].set({ plane: Number(button.dataset.go) }));
  found[0]?.screen.focus({ preventScroll: true });
}
