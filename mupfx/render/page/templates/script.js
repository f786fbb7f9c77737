"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const table = document.getElementById("rows");
  const bodies = table ? [...table.tBodies] : [];

  // Classes: what is pointed at or focused lights up; what was pressed stays lit.
  const chips = new Map();
  for (const chip of all("[data-class]")) {
    const key = chip.dataset.class;
    chips.set(key, [...(chips.get(key) || []), chip]);
  }
  const having = new Map();
  for (const body of bodies) {
    for (const key of body.dataset.classes.split(" ")) {
      having.set(key, [...(having.get(key) || []), body]);
    }
  }
  const says = document.getElementById("lit");
  let lit = "";
  let kept = "";
  const mark = (key, on) => {
    for (const each of [...(chips.get(key) || []), ...(having.get(key) || [])]) {
      each.classList.toggle("lit", on);
    }
  };
  const light = (key) => {
    if (key === lit) return;
    if (lit) mark(lit, false);
    if (key) mark(key, true);
    lit = key;
    const button = key && document.querySelector(`button[data-class="${key}"]`);
    if (says) says.textContent = button ? `${button.textContent}: along an axis of ${button.dataset.count} parameters` : "";
  };
  const keep = (key) => {
    kept = key;
    for (const button of all("button[data-class]")) {
      button.setAttribute("aria-pressed", String(button.dataset.class === key));
    }
    light(key);
  };
  const keyOf = (event) => {
    const chip = event.target.closest?.("[data-class]");
    return chip ? chip.dataset.class : "";
  };
  document.addEventListener("pointerover", (event) => light(keyOf(event) || kept));
  document.addEventListener("focusin", (event) => light(keyOf(event) || kept));
  document.addEventListener("click", (event) => {
    const key = keyOf(event);
    if (key) keep(key === kept ? "" : key);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep("");
    const chip = event.target.closest?.("[data-class]:not(button)");
    if (!chip) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      keep(chip.dataset.class === kept ? "" : chip.dataset.class);
    }
  });

  // One tab stop for all chips of the graph, one for those of the table; arrows move among them.
  for (const group of all("[data-roving]")) {
    const stops = () => all("[data-class]", group).filter((each) => each.getClientRects().length);
    const first = group.querySelector("[data-class]");
    if (first) first.tabIndex = 0;
    group.addEventListener("keydown", (event) => {
      const chip = event.target.closest("[data-class]");
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!chip || !(step || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      const order = stops();
      const at = { Home: 0, End: order.length - 1 }[event.key] ?? order.indexOf(chip) + step;
      order[Math.min(Math.max(at, 0), order.length - 1)].focus();
    });
    group.addEventListener("focusin", (event) => {
      const chip = event.target.closest("[data-class]");
      if (!chip) return;
      for (const each of all('[data-class][tabindex="0"]', group)) each.tabIndex = -1;
      chip.tabIndex = 0;
    });
  }

  if (!table) return;

  // Filter.
  const form = document.querySelector(".filters");
  const count = document.getElementById("count");
  const filter = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const role = form.elements.role.value;
    const key = form.elements.class ? form.elements.class.value : "";
    const changed = form.elements.changed ? form.elements.changed.checked : false;
    let shown = 0;
    for (const body of bodies) {
      const data = body.dataset;
      const fits = (!role || data.role === role)
        && (!key || data.classes.split(" ").includes(key))
        && (!changed || "changed" in data)
        && words.every((word) => data.names.toLowerCase().includes(word));
      body.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === bodies.length ? `${shown} rows` : `${shown} of ${bodies.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // Sort: up, down, as the model has them.
  const heads = all("thead th", table);
  const turns = { none: "ascending", ascending: "descending", descending: "none" };
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const turn = turns[head.getAttribute("aria-sort")];
    for (const each of heads) if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", turn);
    const value = (body) => turn === "none" ? body.dataset.at : body.rows[0].cells[column].dataset.sort;
    const way = turn === "descending" ? -1 : 1;
    table.append(...[...bodies].sort((a, b) => way * compare(value(a), value(b)) || a.dataset.at - b.dataset.at));
  }));

  // A row that is linked to is shown, whatever the filter.
  const target = () => {
    const body = document.getElementById(location.hash.slice(1));
    if (body && bodies.includes(body)) {
      body.hidden = false;
      body.scrollIntoView({ block: "center" });
      body.querySelector("summary").focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", target);
})();
