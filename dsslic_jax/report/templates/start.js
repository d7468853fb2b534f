// Builds the page from its data: sections that have none are left out.

function startPage() {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.getElementById("subtitle").textContent = data.subtitle;
  startTheme();
  const library = data.library && runPacked(data.library).then(() => Bokeh.set_log_level("warn"));
  for (const protocol of data.protocols ?? []) addProtocol(protocol, library);
  if (data.viewer) {
    addSection("viewer", "Pictures at equal rate", make("p", {}, data.viewer.text), pictureViewer(data.viewer));
  }
  if (data.layers.length) {
    addSection("layers", "Layers of a stream", make("p", {}, data.layers_text), layersOfPictures(data.layers));
  }
  if (data.files) addSection("files", "Every file", sortableTable(data.files, [0, 1]));
  if (data.notes.length) {
    addSection("notes", "What is missing", make("ul", {}, ...data.notes.map((note) => make("li", {}, note))));
  }
  if (data.conditions.length) {
    const facts = data.conditions.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    addSection("conditions", "Conditions", make("dl", {}, ...facts));
  }
}

function addProtocol(protocol, library) {
  const differences = protocol.differences ? [sortableTable(protocol.differences)] : [];
  const numbers = sortableTable(protocol.means, [0, 1]);
  const means = make("details", {}, make("summary", {}, "The curves as numbers"), numbers);
  addSection(
    "protocol-" + protocol.name, `Protocol ${protocol.name}`,
    make("p", {}, protocol.text), rateDistortionPlots(protocol, library), ...differences, means,
  );
}

startPage();
