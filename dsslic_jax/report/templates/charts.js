// Rate-distortion plots by Bokeh, with a legend of check boxes that any keyboard reaches.

/** Unpacks and runs a script that the page carries, gzip in base64. */
async function runPacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(make("script", {}, await new Response(unpacked).text()));
}

/**
 * The plots of one protocol, once `library` is there:
 * {name, curves: [{name, colour, dash, shown, published, note}], plots: {linear: […], log: […]}}.
 */
function rateDistortionPlots({ name, curves, plots }, library) {
  const shown = new Map(curves.map((curve) => [curve.name, curve.shown]));
  const embedded = []; // Bokeh's plot models
  const areas = {};
  const begun = new Set();
  for (const scale of Object.keys(plots)) {
    areas[scale] = make("div", { class: "plots", hidden: true });
  }

  function applyShown() {
    for (const plot of embedded) {
      for (const renderer of plot.renderers) renderer.visible = shown.get(renderer.name);
    }
  }

  async function show(scale) {
    for (const [other, area] of Object.entries(areas)) area.hidden = other !== scale;
    if (begun.has(scale)) return;
    begun.add(scale);
    await library;
    for (const { bokeh, label, missing } of plots[scale]) {
      const target = make("div", { class: "plot", role: "img", "aria-label": label });
      areas[scale].append(bokeh ? target : make("p", { class: "muted" }, missing));
      if (!bokeh) continue;
      const views = await Bokeh.embed.embed_item(bokeh, target);
      embedded.push(views.get_by_id(bokeh.root_id).model);
    }
    applyShown();
    embedded.forEach(colourPlot);
  }

  const scales = Object.keys(plots).map((scale, i) => {
    const radio = make("input", { type: "radio", name: "scale-" + name, checked: i === 0, change: () => show(scale) });
    return make("label", {}, radio, ` ${scale} rate`);
  });
  const choice = make("div", { class: "controls", role: "group", "aria-label": "Scale of the rate" }, ...scales);
  const legend = plotLegend(curves, (curve, visible) => {
    shown.set(curve.name, visible);
    applyShown();
  });
  onTheme(() => embedded.forEach(colourPlot));
  show("linear");
  return make("div", { class: "chart" }, choice, ...Object.values(areas), legend);
}

/** A check box for each curve; those that others published stand apart. */
function plotLegend(curves, change) {
  const entry = (curve) => {
    const box = make("input", { type: "checkbox", checked: curve.shown, change: () => change(curve, box.checked) });
    const style = `border-top: 3px ${curve.dash} ${curve.colour}`;
    const line = make("span", { class: "line", style, "aria-hidden": "true" });
    return make("label", { title: curve.note || false }, box, line, curve.name);
  };
  const measured = curves.filter((curve) => !curve.published).map(entry);
  const published = curves.filter((curve) => curve.published).map(entry);
  const legend = make("fieldset", { class: "legend" }, make("legend", {}, "Curves"), ...measured);
  if (published.length) {
    legend.append(make("details", {}, make("summary", {}, `Published elsewhere (${published.length})`), ...published));
  }
  return legend;
}

function colourPlot(plot) {
  const [ink, line] = [themeColour("--ink"), themeColour("--line")];
  for (const axis of [...plot.below, ...plot.left]) {
    axis.setv({ axis_label_text_color: ink, major_label_text_color: ink });
    axis.setv({ axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null });
  }
  for (const grid of plot.center) grid.setv({ grid_line_color: line });
}
