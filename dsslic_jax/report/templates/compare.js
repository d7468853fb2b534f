// The picture viewer: any two codecs at about equal rate.

const ORIGINAL = ""; // among the codecs to choose

/** The viewer of {rates, codecs, pictures, files, scale}, as viewer.py makes them. */
function pictureViewer({ rates, codecs, pictures, files, scale }) {
  const choice = { picture: 0, rate: Math.floor(rates.length / 2), left: codecs[0], right: codecs[1] ?? codecs[0] };
  const stage = new Stage("Two decoded pictures; plus and minus zoom, arrow keys move an enlarged picture");
  const captions = { left: make("p", { class: "facts" }), right: make("p", { class: "facts" }) };
  const overview = make("figure", { class: "overview" });
  const names = pictures.map((picture, i) => [String(i), picture.name]);
  const picture = labelledSelect("Picture", names, "0", (value) => set({ picture: Number(value) }));
  const last = String(rates.length - 1);
  const changeRate = () => set({ rate: Number(rate.value) });
  const rate = make("input", { type: "range", min: "0", max: last, value: String(choice.rate), input: changeRate });
  const rateText = make("output");
  const sides = {
    left: labelledSelect("Left", [], "", (value) => set({ left: value })),
    right: labelledSelect("Right", [], "", (value) => set({ right: value })),
  };
  const differences = make("input", { type: "checkbox", change: () => set({}) });
  const key = colourKey(scale);

  function set(change) {
    Object.assign(choice, change);
    const shown = pictures[choice.picture];
    const hasOriginal = shown.original !== null;
    const mapped = hasOriginal && differences.checked;
    differences.disabled = !hasOriginal;
    key.hidden = !mapped;
    rateText.textContent = `${rates[choice.rate]} bits per pixel`;
    rate.setAttribute("aria-valuetext", rateText.textContent);
    const options = codecs.map((codec) => [codec, codec]);
    if (hasOriginal) options.push([ORIGINAL, "original"]);
    for (const side of ["left", "right"]) {
      if (choice[side] === ORIGINAL && !hasOriginal) choice[side] = codecs[0];
      fillSelect(sides[side].select, options, choice[side]);
      captions[side].replaceChildren(...facts(shown, choice[side]));
    }
    drawOverview(overview, shown);
    stage.show(view(shown, choice.left, mapped), view(shown, choice.right, mapped));
  }

  function fileOf(shown, codec) {
    return files[shown.files[codec]?.[choice.rate]] ?? null;
  }

  function view(shown, codec, mapped) {
    const rect = mapped ? [0, 0, shown.width, shown.height] : shown.crop;
    if (codec === ORIGINAL) return { name: "original", src: mapped ? null : shown.original, rect };
    const file = fileOf(shown, codec);
    return { name: codec, src: file && (mapped ? file.difference : file.picture), rect };
  }

  function facts(shown, codec) {
    if (codec === ORIGINAL) return [make("strong", {}, "original"), ` ${shown.width} × ${shown.height}`];
    const file = fileOf(shown, codec);
    if (!file) return [make("strong", {}, codec), " not measured on this picture"];
    const numbers = [
      `setting ${file.setting}`,
      `${formatNumber(file.bits_per_pixel, 3)} bits per pixel`,
      `${file.bytes} bytes`,
      `PSNR ${formatNumber(file.psnr_rgb_db, 2)} dB`,
      `MS-SSIM ${formatNumber(file.ms_ssim_db, 2)} dB`,
    ];
    return [make("strong", {}, codec), " " + numbers.join(" · ")];
  }

  set({});
  const rateLabel = make("label", {}, "Rate ", rate, " ", rateText);
  const mapLabel = make("label", {}, differences, " Difference maps");
  const controls = [picture.label, rateLabel, sides.left.label, sides.right.label, mapLabel, stage.zoomControl];
  return make(
    "div", { class: "viewer" },
    make("div", { class: "controls" }, ...controls), stage.element, key,
    make("div", { class: "captions" }, captions.left, overview, captions.right),
  );
}

/** What the colours of difference maps stand for. */
function colourKey({ colours, ticks }) {
  const ramp = make("span", { class: "ramp", style: `background: linear-gradient(to right, ${colours.join(", ")})` });
  const numbers = make("span", { class: "ticks" }, ...ticks.map((tick) => make("span", {}, tick)));
  const text = "Root mean square error of each block, in levels of 255";
  return make("div", { class: "colour-key", hidden: true }, text, make("span", {}, ramp, numbers));
}

/** A small picture of the whole with a frame round what the stage shows; nothing where it shows the whole. */
function drawOverview(figure, { name, width, height, crop, overview }) {
  const [x, y, cropWidth, cropHeight] = crop;
  if (cropWidth === width && cropHeight === height) {
    figure.replaceChildren();
    return;
  }
  const percent = (part, all) => `${(100 * part) / all}%`;
  const place = `left: ${percent(x, width)}; top: ${percent(y, height)}`;
  const size = `width: ${percent(cropWidth, width)}; height: ${percent(cropHeight, height)}`;
  const image = make("img", { src: overview, alt: `${name}, the whole picture` });
  const mark = make("span", { class: "mark", style: `${place}; ${size}` });
  const frame = make("div", { class: "overview-frame" }, image, mark);
  const text = `shown: ${cropWidth} × ${cropHeight} of ${width} × ${height} px`;
  figure.replaceChildren(frame, make("figcaption", {}, text));
}
