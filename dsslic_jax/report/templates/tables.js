// Tables that sort by any column: {caption, columns: [{name, decimals, signed}], rows: [[…]]}; text has no decimals.

const MOST_ROWS = 2000; // shown at once: browsers take seconds for more

/** A table with sorting headings. With `filters` (column numbers), a choice of values for each of these above it. */
function sortableTable({ caption, columns, rows }, filters = []) {
  const body = make("tbody");
  const cut = make("p", { class: "muted", "aria-live": "polite" });
  const headings = columns.map((column, i) => {
    const button = make("button", { type: "button", click: () => sortBy(i) }, column.name);
    return make("th", { scope: "col", class: cellClass(column), "aria-sort": "none" }, button);
  });
  const chosen = new Map();
  let order = { column: null, sign: 1 };

  function sortBy(column) {
    order = { column, sign: order.column === column ? -order.sign : 1 };
    headings.forEach((heading, i) => {
      const direction = order.sign === 1 ? "ascending" : "descending";
      heading.setAttribute("aria-sort", i === column ? direction : "none");
    });
    fill();
  }

  function fill() {
    const isChosen = (row) => [...chosen].every(([i, value]) => value === "" || String(row[i]) === value);
    const shown = rows.filter(isChosen);
    if (order.column !== null) shown.sort((a, b) => compareCells(a[order.column], b[order.column], order.sign));
    body.replaceChildren(...shown.slice(0, MOST_ROWS).map((row) => tableRow(columns, row)));
    const isCut = shown.length > MOST_ROWS;
    cut.textContent = isCut ? `The first ${MOST_ROWS} of ${shown.length} rows; choose above to see others.` : "";
  }

  const choices = filters.map((i) => {
    const values = [...new Set(rows.map((row) => String(row[i])))];
    const change = (value) => {
      chosen.set(i, value);
      fill();
    };
    return labelledSelect(columns[i].name, [["", "all"], ...values.map((value) => [value, value])], "", change).label;
  });
  fill();
  const head = make("thead", {}, make("tr", {}, ...headings));
  const table = make("table", {}, make("caption", {}, caption), head, body);
  const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
  const controls = choices.length ? [make("div", { class: "controls" }, ...choices)] : [];
  return make("div", { class: "tabular" }, ...controls, scroll, cut);
}

function cellClass(column) {
  return column.decimals === null ? "text" : "number";
}

function tableRow(columns, row) {
  const cells = row.map((value, i) => {
    const { decimals, signed } = columns[i];
    const text = decimals === null ? String(value ?? "–") : formatNumber(value, decimals, signed);
    const attributes = { class: cellClass(columns[i]) };
    return i === 0 ? make("th", { scope: "row", ...attributes }, text) : make("td", attributes, text);
  });
  return make("tr", {}, ...cells);
}

/** Order of two cells; what is missing comes last in either direction. */
function compareCells(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "string" && typeof b === "string" && a !== "inf" && b !== "inf") {
    return sign * a.localeCompare(b, undefined, { numeric: true });
  }
  return sign * (numberOf(a) < numberOf(b) ? -1 : numberOf(a) > numberOf(b) ? 1 : 0);
}
