// Light and dark: as the system says, until the switch says otherwise.

const themeListeners = [];

function startTheme() {
  const select = document.getElementById("theme");
  const changed = () => themeListeners.forEach((listener) => listener());
  select.addEventListener("change", () => {
    document.documentElement.dataset.theme = select.value;
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

/** Calls `listener` now and whenever the colours change. */
function onTheme(listener) {
  themeListeners.push(listener);
  listener();
}

/** A colour of page.css as it is now, such as themeColour("--ink"). */
function themeColour(name) {
  const probe = make("i", { style: `color: var(${name})` });
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
