// The layers of one of our streams: what each costs, what each holds.

/** The layers of {facts, width, height, layers, views, classes}, as layer_views.py makes them. */
function layerView({ facts, width, height, layers, views, classes }) {
  const stage = new Stage("Two layers; plus and minus zoom, arrow keys move an enlarged picture");
  const options = views.map((view, i) => [String(i), view.name]);
  const choice = { left: Math.min(2, views.length - 1), right: views.length - 1 };
  const side = (i) => ({ name: views[i].name, src: views[i].src, rect: [0, 0, width, height] });
  const show = () => stage.show(side(choice.left), side(choice.right));
  const select = (name, text) => {
    const change = (value) => {
      choice[name] = Number(value);
      show();
    };
    return labelledSelect(text, options, String(choice[name]), change).label;
  };
  show();
  const figures = make("div", { class: "figures" }, ...views.map(viewFigure));
  const controls = [select("left", "Left"), select("right", "Right"), stage.zoomControl];
  return make(
    "div", { class: "layers" },
    make("p", {}, facts), costBar(layers), figures, classList(classes),
    make("div", { class: "controls" }, ...controls), stage.element,
  );
}

function viewFigure({ name, note, src, pixels, width, height }) {
  const size = { width: String(width), height: String(height) };
  const style = pixels ? "pixels" : false;
  const image = make("img", { src, alt: `${name}: ${note}`, class: style, decoding: "async", ...size });
  return make("figure", {}, image, make("figcaption", {}, make("strong", {}, name), " " + note));
}

/** One bar of all bits, a part for each layer, and the numbers below it. */
function costBar(layers) {
  const all = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const colour = (i) => "part-" + (i % 6);
  const parts = layers.map(({ bytes }, i) => {
    return make("span", { class: "part " + colour(i), style: `flex-grow: ${bytes / all}` });
  });
  const rows = layers.map(({ name, coder, bytes, bits_per_pixel }, i) => {
    const swatch = make("span", { class: "swatch " + colour(i), "aria-hidden": "true" });
    const share = formatNumber((100 * bytes) / all, 1);
    const text = ` ${8 * bytes} bits, ${formatNumber(bits_per_pixel, 4)} per pixel, ${share} %`;
    const coded = make("span", { class: "muted" }, coder ? ` ${coder}` : "");
    return make("li", {}, swatch, make("strong", {}, name), text, coded);
  });
  const bar = make("div", { class: "bar", "aria-hidden": "true" }, ...parts);
  return make("div", { class: "cost" }, bar, make("ul", {}, ...rows));
}

function classList(classes) {
  if (!classes.length) return make("p", { class: "muted" }, "Coded without labels.");
  const items = classes.map(({ name, colour, share }) => {
    const style = `background: rgb(${colour.join(", ")})`;
    const swatch = make("span", { class: "swatch", style, "aria-hidden": "true" });
    return make("li", {}, swatch, name, make("span", { class: "muted" }, ` ${formatNumber(100 * share, 1)} %`));
  });
  return make("ul", { class: "classes", "aria-label": "Classes and their share of the picture" }, ...items);
}

/** Layers of several pictures, one shown at a time: what `layerView` takes, each with its name. */
function layersOfPictures(pictures) {
  const place = make("div");
  const show = (i) => place.replaceChildren(layerView(pictures[i]));
  const options = pictures.map((picture, i) => [String(i), picture.name]);
  show(0);
  if (pictures.length === 1) return place;
  const { label } = labelledSelect("Picture", options, "0", (value) => show(Number(value)));
  return make("div", {}, make("div", { class: "controls" }, label), place);
}
