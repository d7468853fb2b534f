// Elements, numbers and sections. Whatever comes from files is set as text, never as markup.

/** make("p", {class: "note", click: handler}, "text", child): an element with attributes, listeners and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A <select> with a label in front. `options` are [value, text] pairs; `change` is told the value. */
function labelledSelect(text, options, value, change) {
  const select = make("select", { change: () => change(select.value) });
  fillSelect(select, options, value);
  return { label: make("label", {}, text + " ", select), select };
}

function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([key, text]) => make("option", { value: key }, text)));
  select.value = value;
}

/** "inf" stands for infinity, which JSON cannot write. */
function numberOf(value) {
  return value === "inf" ? Infinity : value;
}

/** A number with so many decimals, or with those it has for "any"; "–" for none. */
function formatNumber(value, decimals, signed = false) {
  if (value === null || value === undefined) return "–";
  if (numberOf(value) === Infinity) return "∞";
  const text = decimals === "any" ? String(value) : Math.abs(value).toFixed(decimals);
  if (decimals === "any" || Number(text) === 0) return text;
  return (value < 0 ? "−" : signed ? "+" : "") + text;
}

/** Appends a section with its heading to the page and a link to the navigation; returns the section. */
function addSection(id, heading, ...children) {
  const section = make("section", { id, "aria-labelledby": id + "-heading" });
  section.append(make("h2", { id: id + "-heading" }, heading), ...children);
  document.getElementById("content").append(section);
  document.getElementById("sections").append(make("a", { href: "#" + id }, heading));
  return section;
}
