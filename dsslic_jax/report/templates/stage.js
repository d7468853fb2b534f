// Two pictures in one frame with a divider between them, and a zoom.
// A picture is {src, rect: [x, y, width, height]}, rect being where it lies in the coordinates of the whole picture.

const loadedImages = new Map();

/** The decoded <img> of a source, null where there is none; each is decoded once, when it is first shown. */
function loadImage(src) {
  if (!loadedImages.has(src)) {
    const image = new Image();
    image.src = src;
    loadedImages.set(src, image.decode().then(() => image, () => null)); // a file beside the page may be gone
  }
  return loadedImages.get(src);
}

// Of the divider and of an enlarged picture by a key, in shares of the frame.
const PANS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
const SLIDES = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 };
const MAX_ZOOM = 16;
const MAX_HEIGHT = 0.68; // of the window's

class Stage {
  constructor(label) {
    this.sides = { left: null, right: null };
    this.split = 0.5; // of the frame's width
    this.zoom = 1;
    this.centre = [0.5, 0.5]; // of the picture's width and height
    this.request = 0;
    const panByKey = (event) => this.panByKey(event);
    this.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": label, keydown: panByKey });
    this.divider = make("div", {
      class: "divider", role: "slider", tabindex: "0", "aria-label": "Divider between left and right picture",
      "aria-valuemin": "0", "aria-valuemax": "100", keydown: (event) => this.slideByKey(event),
    });
    this.tags = { left: make("span", { class: "tag left" }), right: make("span", { class: "tag right" }) };
    this.frame = make("div", { class: "frame" }, this.canvas, this.divider, this.tags.left, this.tags.right);
    this.frame.addEventListener("pointerdown", (event) => this.drag(event));
    const zoomChanged = () => this.setZoom(Number(this.zoomRange.value));
    this.zoomRange = make("input", { type: "range", min: "1", max: String(MAX_ZOOM), value: "1", input: zoomChanged });
    this.zoomText = make("output");
    this.zoomControl = make("label", {}, "Zoom ", this.zoomRange, " ", this.zoomText);
    this.element = make("div", { class: "stage" }, this.frame);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Shows two pictures as soon as both are decoded: {name, src, rect} each, or {name, src: null, rect} for none. */
  async show(left, right) {
    const request = ++this.request;
    const images = await Promise.all([left, right].map(({ src }) => (src ? loadImage(src) : null)));
    if (request !== this.request) return; // another choice was made meanwhile
    [left, right].forEach((side, i) => {
      const name = ["left", "right"][i];
      this.sides[name] = { image: images[i], rect: side.rect };
      this.tags[name].textContent = side.src && !images[i] ? `${side.name}: picture not found` : side.name;
    });
    this.draw();
  }

  setZoom(zoom) {
    this.zoom = Math.min(Math.max(zoom, 1), MAX_ZOOM);
    this.zoomRange.value = String(this.zoom);
    this.draw();
  }

  setSplit(split) {
    this.split = Math.min(Math.max(split, 0), 1);
    this.draw();
  }

  draw() {
    const { left, right } = this.sides;
    if (!left || this.element.clientWidth === 0) return;
    const [x, y, width, height] = left.rect;
    const fit = Math.min(this.element.clientWidth / width, (MAX_HEIGHT * window.innerHeight) / height);
    const size = [width * fit, height * fit];
    [this.canvas.width, this.canvas.height] = size.map((side) => Math.round(side * window.devicePixelRatio));
    [this.canvas.style.width, this.canvas.style.height] = size.map((side) => `${Math.round(side)}px`);
    const half = 0.5 / this.zoom;
    this.centre = this.centre.map((at) => Math.min(Math.max(at, half), 1 - half));
    const scale = (this.canvas.width / width) * this.zoom;
    const origin = [x + width * (this.centre[0] - half), y + height * (this.centre[1] - half)];
    const edge = this.split * this.canvas.width;
    this.drawSide(left, 0, edge, scale, origin);
    this.drawSide(right, edge, this.canvas.width, scale, origin);
    this.divider.style.left = `${100 * this.split}%`;
    this.divider.setAttribute("aria-valuenow", String(Math.round(100 * this.split)));
    this.zoomText.textContent = `${this.zoom}×, ${(fit * this.zoom).toFixed(1)} screen px per picture px`;
    this.frame.classList.toggle("zoomed", this.zoom > 1);
  }

  drawSide({ image, rect }, from, to, scale, [x, y]) {
    if (!image) return;
    const context = this.canvas.getContext("2d");
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.canvas.height);
    context.clip();
    context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
    // Enlarged pictures show their pixels; only reduced ones are smoothed.
    context.imageSmoothingEnabled = scale * rect[2] < image.naturalWidth;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, ...rect);
    context.restore();
  }

  slideByKey(event) {
    const ends = { Home: 0, End: 1 };
    if (!(event.key in SLIDES) && !(event.key in ends)) return;
    event.preventDefault();
    this.setSplit(ends[event.key] ?? this.split + SLIDES[event.key]);
  }

  panByKey(event) {
    if (event.key === "+" || event.key === "-") {
      this.setZoom(this.zoom + (event.key === "+" ? 1 : -1));
    } else if (event.key in PANS && this.zoom > 1) {
      this.pan(...PANS[event.key].map((step) => step / this.zoom));
    } else return;
    event.preventDefault();
  }

  pan(right, down) {
    this.centre = [this.centre[0] + right, this.centre[1] + down];
    this.draw();
  }

  /** Moves the divider; of an enlarged picture, dragging elsewhere moves the picture. */
  drag(event) {
    if (event.button !== 0) return;
    const box = this.canvas.getBoundingClientRect();
    const slides = this.zoom === 1 || event.target === this.divider;
    const slide = (at) => this.setSplit((at.clientX - box.left) / box.width);
    let last = event;
    const move = (at) => {
      const moved = [(last.clientX - at.clientX) / box.width, (last.clientY - at.clientY) / box.height];
      if (slides) slide(at);
      else this.pan(moved[0] / this.zoom, moved[1] / this.zoom);
      last = at;
    };
    const end = () => this.frame.removeEventListener("pointermove", move);
    if (slides) slide(event);
    this.frame.setPointerCapture(event.pointerId);
    this.frame.addEventListener("pointermove", move);
    this.frame.addEventListener("pointerup", end, { once: true });
    this.frame.addEventListener("pointercancel", end, { once: true });
  }
}
