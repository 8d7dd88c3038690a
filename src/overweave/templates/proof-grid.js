// The grid: drawn once, painted anew for each view, worked by mouse and keys.
let cells = [];

function build() {
  const grid = byId("grid");
  const head = make("tr", make("th", "from \\ to"));
  hosts.forEach((name) => head.append(heading(name, "col")));
  const body = make("tbody");
  cells = hosts.map((name, from) => {
    const row = make("tr", heading(name, "row"));
    body.append(row);
    return hosts.map((_, to) => {
      const cell = make("td", from === to ? "\u2013" : [], from === to ? "self" : "cell");
      cell.setAttribute("role", "gridcell");
      if (from !== to) {
        cell.tabIndex = -1;
        cell.dataset.from = from;
        cell.dataset.to = to;
      }
      row.append(cell);
      return cell;
    });
  });
  grid.append(make("thead", head), body);
}

function heading(name, scope) {
  const th = make("th", make("span", name));
  th.scope = scope;
  th.title = name;
  return th;
}

function paint() {
  const rows = new Set(), columns = new Set(), counts = new Map();
  const written = hosts.length <= WRITTEN_OUT;
  let shown = 0, first = null;
  hosts.forEach((source, from) => hosts.forEach((target, to) => {
    if (from === to) return;
    const cell = cells[from][to], { pair, over, under, is, seen, mark } = look(from, to);
    cell.tabIndex = -1;
    cell.classList.toggle("kept", kept !== null && kept[0] === from && kept[1] === to);
    if (!seen) {
      cell.className = "hidden";
      cell.replaceChildren();
      cell.removeAttribute("aria-label");
      return;
    }
    rows.add(from); columns.add(to); shown += 1; first ??= cell;
    counts.set(is, (counts.get(is) ?? 0) + 1);
    cell.className = `cell a-${over ?? under} b-${under ?? over}${cell.classList.contains("kept") ? " kept" : ""}`;
    const numbers = [over && ms(pair, "overlay"), under && ms(pair, "underlay")].filter((n) => n != null);
    cell.replaceChildren(mark);
    if (written && numbers.length) {
      cell.append(make("span", numbers.map((n) => make("span", time(n))), "values"));
    }
    cell.setAttribute("aria-label", `${source} to ${target}: ${is}`);
  }));
  (kept && cells[kept[0]][kept[1]].classList.contains("cell") ? cells[kept[0]][kept[1]] : first)?.setAttribute("tabindex", "0");
  hide(rows, columns);
  legend(counts);
  const all = hosts.length * (hosts.length - 1);
  byId("shown").textContent = shown === all ? "" : `${shown} of ${plural(all, "pair")}`;
  fit(rows.size, columns.size);
}

function hide(rows, columns) {
  const [head, ...lines] = byId("grid").rows;
  const any = rows.size > 0;
  byId("grid").hidden = !any;
  lines.forEach((line, from) => {
    line.hidden = !rows.has(from);
    hosts.forEach((_, to) => { line.cells[to + 1].hidden = !columns.has(to); });
  });
  hosts.forEach((_, to) => { head.cells[to + 1].hidden = !columns.has(to); });
}

// Cells as large as the window allows, and never too small to be hit.
function fit(rows, columns) {
  const grid = byId("grid"), longest = Math.min(18, Math.max(...hosts.map((name) => name.length), 9));
  const written = hosts.length <= WRITTEN_OUT;
  const across = Math.floor((byId("scroll").clientWidth - longest * 8 - 16) / Math.max(columns, 1) - 1);
  const down = Math.floor((window.innerHeight * 0.9 - longest * 8) / Math.max(rows, 1) - 1);
  grid.style.setProperty("--size", `${written ? 52 : Math.max(14, Math.min(32, across, down))}px`);
  grid.style.setProperty("--wide", written ? `${Math.max(84, Math.min(170, across))}px` : "var(--size)");
  grid.classList.toggle("tall", !written);
}

function legend(counts) {
  const parts = [];
  for (const is of Object.keys(MARKS)) {
    if (!counts.get(is)) continue;
    const [over, under] = {
      "ok": ["ok0", "ok0"], "slow": ["slow", "slow"],
      "underlay fails": ["bad", "bad"], "overlay alone fails": ["bad", "ok0"],
      "underlay fails, overlay passes": ["ok0", "bad"], "not measured": ["none", "none"],
    }[is] ?? ["bad", "bad"];
    parts.push(make("span", [make("span", MARKS[is], `swatch cell a-${over} b-${under}`), `${is} `, make("b", `${counts.get(is)}`, "num")]));
  }
  if (proof.median) {
    const limits = STEPS.map((times) => time(proof.median * times));
    const scale = ["ok0", "ok1", "ok2", "ok3"].map((step) => make("span", [], `swatch cell a-${step} b-${step}`));
    const told = make("span", ["round trip\u2002", ...scale, `\u2002\u2264 ${limits.join(", ")}, more`], "scale quiet");
    parts.push(told);
  }
  if (view.plane === "both") parts.push(make("span", "upper left: overlay, lower right: underlay", "quiet"));
  byId("legend").replaceChildren(...parts);
}

function point(cell) {
  document.querySelectorAll("th.lit").forEach((th) => th.classList.remove("lit"));
  const { from, to } = cell?.dataset ?? {};
  if (from === undefined) return;
  const [head, ...lines] = byId("grid").rows;
  head.cells[Number(to) + 1].classList.add("lit");
  lines[from].cells[0].classList.add("lit");
}

function move(cell, key) {
  const [rows, columns] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -hosts.length], End: [0, hosts.length] }[key];
  let from = Number(cell.dataset.from), to = Number(cell.dataset.to), best = null;
  if (Math.abs(columns) > 1) {
    const line = cells[from].filter((one) => one.classList.contains("cell"));
    best = columns < 0 ? line[0] : line.at(-1);
  }
  // Past the diagonal, and past what filters hide.
  for (from += rows, to += columns; !best && cells[from]?.[to]; from += rows, to += columns) {
    if (cells[from][to].classList.contains("cell")) best = cells[from][to];
  }
  if (!best) return;
  cell.tabIndex = -1;
  best.tabIndex = 0;
  best.focus();
}
