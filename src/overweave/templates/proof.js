"use strict";
// The page's data is not trusted: it is written as text only, and never as markup.
const proof = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const hosts = proof.hosts;
const pairs = new Map(proof.pairs.map(([from, to, cell, failed, overlay, underlay]) =>
  [from * hosts.length + to, { from, to, cell, failed, overlay, underlay }]));
const pairOf = (from, to) => pairs.get(from * hosts.length + to);
const hasUnderlay = proof.checks.underlay.length > 0;
const WRITTEN_OUT = 8; // hosts up to which cells hold numbers
const MARKS = {
  "ok": "", "slow": "~", "one way": ">", "underlay fails": "U", "overlay alone fails": "O", "fails": "X",
  "not measured": "?", "underlay fails, overlay passes": "u",
};
const STEPS = [1.5, 3, 6]; // times the median round trip, where the next shade begins
const view = { plane: hasUnderlay ? "both" : "overlay", check: "", host: "", failing: false, cause: null };
let kept = null;
let cells = [];

function make(tag, content, className) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const part of [content ?? []].flat()) element.append(part);
  return element;
}

function time(ms) {
  return `${ms.toFixed(ms >= 10 ? 0 : ms >= 1 ? 1 : 2)} ms`;
}

function share(loss) {
  return loss > 0 && loss < 0.01 ? "under 1%" : `${Math.round(loss * 100)}%`;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// What one plane of a pair is in the current view: ok0 to ok3 by round trip, slow, bad or none.
function state(pair, plane) {
  if (!pair) return "none";
  const verdicts = pair[plane];
  if (view.check) {
    const verdict = verdicts[view.check];
    if (!verdict) return plane === "overlay" && pair.failed.includes(view.check) ? "bad" : "none";
    return verdict[0] ? heat(verdict[2]) : "bad";
  }
  if (plane === "underlay") {
    const all = Object.values(verdicts);
    if (!all.length) return "none";
    return all.every(([ok]) => ok) ? heat(verdicts.icmp?.[2]) : "bad";
  }
  if (pair.cell === "not measured") return "none";
  if (pair.failed.length) return "bad";
  return pair.cell === "slow" ? "slow" : heat(verdicts.icmp?.[2]);
}

function heat(ms) {
  if (ms == null || !proof.median) return "ok0";
  const times = ms / proof.median;
  const step = STEPS.findIndex((limit) => times <= limit);
  return `ok${step < 0 ? STEPS.length : step}`;
}

// What a cell is in the current view, in the words of MARKS.
function kind(pair, over, under) {
  if (view.plane === "underlay") return word(under);
  if (view.plane === "overlay") return word(over);
  if (over === "bad") {
    if (!view.check) return pair.cell;
    return under === "bad" ? "underlay fails" : under === "none" ? "fails" : "overlay alone fails";
  }
  if (under === "bad") return "underlay fails, overlay passes";
  if (over === "none" && under !== "none") return word(under);
  return word(over);
}

function word(one) {
  return one === "bad" ? "fails" : one === "slow" ? "slow" : one === "none" ? "not measured" : "ok";
}

function ms(pair, plane) {
  return pair?.[plane][view.check || "icmp"]?.[2];
}

// One look at a pair: classes of the cell, its mark, its numbers, and whether the filters let it be seen.
function look(from, to) {
  const pair = pairOf(from, to);
  const over = view.plane === "underlay" ? null : state(pair, "overlay");
  const under = view.plane === "overlay" ? null : state(pair, "underlay");
  const is = kind(pair, over, under);
  const seen = [hosts[from], hosts[to]].some((name) => name.toLowerCase().includes(view.host))
    && (!view.failing || !["ok", "not measured"].includes(is))
    && (!view.cause || view.cause.has(from * hosts.length + to));
  return { pair, over, under, is, seen, mark: MARKS[is] };
}

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
      "ok": ["ok0", "ok0"], "slow": ["slow", view.plane === "both" ? "ok0" : "slow"],
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

function details(from, to) {
  const panel = byId("details");
  if (from === null) {
    panel.replaceChildren(make("h2", "No pair chosen"), make("p", "A cell tells here what was checked on it, in both planes.", "quiet"));
    return;
  }
  const pair = pairOf(from, to), { is } = look(from, to);
  const parts = [make("h2", `${hosts[from]} \u2192 ${hosts[to]}`), make("p", is === "ok" || !pair ? is : `${is}${pair.failed.length ? `: ${pair.failed.join(", ")}` : ""}`, is === "ok" ? "quiet" : "bad")];
  if (pair) {
    parts.push(...verdicts("Overlay: container to container", pair.overlay, pair.failed));
    if (hasUnderlay) parts.push(...verdicts("Underlay: host to host", pair.underlay, []));
    proof.causes.forEach((cause) => {
      if (cause.pairs.some(([a, b]) => a === from && b === to)) {
        parts.push(make("h3", "Diagnosis"), make("p", prose(cause.seen)), make("p", ["Fix: ", ...prose(cause.fix)]));
      }
    });
  }
  const back = make("button", `the other way: ${hosts[to]} \u2192 ${hosts[from]}`, "plain");
  back.type = "button";
  back.addEventListener("click", () => keep(to, from));
  panel.replaceChildren(...parts, back);
}

function verdicts(title, found, failed) {
  const lines = { ...Object.fromEntries(failed.map((check) => [check, null])), ...found };
  const rows = Object.entries(lines).map(([check, verdict]) => {
    const [ok, detail, took, loss] = verdict ?? [0, "not measured", null, null];
    const more = [detail, took == null || detail.includes(" ms") ? "" : time(took), loss ? `${share(loss)} lost` : ""].filter(Boolean);
    return make("tr", [make("td", check), make("td", ok ? "ok" : "RED", ok ? "" : "bad"), make("td", more.join(", "))]);
  });
  return [make("h3", title), rows.length ? make("table", make("tbody", rows)) : make("p", "not measured", "quiet")];
}

// `words` between backticks are a command.
function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? make("code", part) : part));
}

function point(cell) {
  document.querySelectorAll("th.lit").forEach((th) => th.classList.remove("lit"));
  const { from, to } = cell?.dataset ?? {};
  if (from === undefined) return;
  const [head, ...lines] = byId("grid").rows;
  head.cells[Number(to) + 1].classList.add("lit");
  lines[from].cells[0].classList.add("lit");
}

function keep(from, to) {
  if (kept) cells[kept[0]][kept[1]].classList.remove("kept");
  kept = from === null ? null : [from, to];
  if (kept) cells[from][to].classList.add("kept");
  details(from, to);
  point(kept && cells[from][to]);
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

function listen() {
  const grid = byId("grid");
  const of = (event) => event.target.closest("td.cell");
  const show = (cell) => {
    point(cell);
    if (!kept) details(Number(cell.dataset.from), Number(cell.dataset.to));
  };
  grid.addEventListener("mouseover", (event) => of(event) && show(of(event)));
  grid.addEventListener("focusin", (event) => of(event) && show(of(event)));
  grid.addEventListener("click", (event) => of(event) && keep(Number(of(event).dataset.from), Number(of(event).dataset.to)));
  grid.addEventListener("keydown", (event) => {
    const cell = of(event);
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") keep(Number(cell.dataset.from), Number(cell.dataset.to));
    else if (/^(Arrow|Home$|End$)/.test(event.key)) move(cell, event.key);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && kept && keep(null, null));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const event of ["input", "change"]) byId("filters").addEventListener(event, read);
  byId("everything").addEventListener("click", () => {
    byId("filters").reset();
    choosePlane();
    chooseCause(null);
    read();
  });
  byId("theme").addEventListener("click", () => theme({ auto: "light", light: "dark", dark: "auto" }[document.documentElement.dataset.theme]));
  window.addEventListener("resize", paint);
}

function read() {
  view.plane = document.querySelector("input[name=plane]:checked").value;
  view.check = byId("check").value;
  view.host = byId("host").value.trim().toLowerCase();
  view.failing = byId("failing").checked;
  paint();
}

function choosePlane() {
  if (!hasUnderlay) document.querySelector("input[value=overlay]").checked = true;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = { auto: "colours: system", light: "colours: light", dark: "colours: dark" }[name];
}

function chooseCause(number) {
  document.querySelectorAll(".cause button").forEach((button, at) => button.setAttribute("aria-pressed", at === number));
  view.cause = number === null ? null : new Set(proof.causes[number].pairs.map(([from, to]) => from * hosts.length + to));
}

function causes() {
  byId("causes").append(...proof.causes.map((cause, number) => {
    const button = make("button", `show its ${plural(cause.pairs.length, "pair")}`);
    button.type = "button";
    button.addEventListener("click", () => {
      chooseCause(button.getAttribute("aria-pressed") === "true" ? null : number);
      read();
    });
    button.hidden = !cause.pairs.length;
    button.setAttribute("aria-pressed", "false");
    return make("article", [
      make("h2", cause.where), make("p", prose(cause.seen)), make("p", [make("b", "Fix: "), ...prose(cause.fix)]),
      make("div", [button, ...cause.issues.map(issue)], "foot"),
    ], "cause");
  }));
}

// A link to a public issue, where it is one: moby#33416 is short for moby/moby#33416.
function issue(text) {
  const found = /^([A-Za-z0-9-]+)(?:\/([A-Za-z0-9._-]+))?#([0-9]+)$/.exec(text);
  if (!found) return make("span", text);
  const link = make("a", text);
  link.href = `https://github.com/${found[1]}/${found[2] ?? found[1]}/issues/${found[3]}`;
  link.rel = "noreferrer noopener";
  return link;
}

function summary() {
  const all = hosts.length * (hosts.length - 1), green = proof.pairs.filter((pair) => !pair[3].length).length;
  document.title = `${proof.green ? "proven" : "NOT proven"}: ${proof.network}`;
  byId("verdict").textContent = proof.green ? "PROVEN" : "NOT PROVEN";
  byId("verdict").classList.toggle("green", proof.green);
  byId("headline").textContent = `${green} of ${plural(all, "directed pair")} green on ${proof.network}`;
  byId("about").textContent = [proof.at, `in ${proof.seconds.toFixed(1)} s`, proof.between && `between ${proof.between}`, `overweave ${proof.version}`].filter(Boolean).join("  \u00b7  ");
  const times = proof.pairs.filter((pair) => pair[4].icmp?.[2] != null).sort((a, b) => b[4].icmp[2] - a[4].icmp[2]);
  const lossy = proof.pairs.filter((pair) => pair[4].icmp?.[3] > 0);
  const numbers = [["hosts", hosts.length], ["green pairs", `${green} / ${all}`]];
  if (proof.median != null) numbers.push(["median round trip", time(proof.median)]);
  if (times.length) numbers.push(["worst round trip", time(times[0][4].icmp[2]), `${hosts[times[0][0]]} \u2192 ${hosts[times[0][1]]}`]);
  numbers.push(["pairs with loss", lossy.length]);
  if (proof.evidence.length) {
    const vnis = [...new Set(proof.evidence.map((row) => row[1]))];
    numbers.push(["through VXLAN", proof.evidence.reduce((sum, row) => sum + row[3], 0).toLocaleString("en"), `packets, VNI ${vnis.join(", ")}`]);
  }
  if (proof.isolation.length) {
    const reached = proof.isolation.filter((tried) => tried[2]).length;
    numbers.push(["isolation", reached ? `${reached} BROKEN` : "kept", plural(proof.isolation.length, "attempt")]);
  }
  byId("numbers").append(...numbers.map(([term, value, more]) =>
    make("div", [make("dt", term), make("dd", [`${value}`, ...(more ? [make("small", more)] : [])])])));
}

function more() {
  const left = Object.entries(proof.leftOut);
  if (left.length) {
    byId("more").append(make("div", [make("h2", "Left out on purpose"), make("p", `${left.map(([check, count]) => `${check} on ${plural(count, "pair")}`).join(", ")}: in a large fleet each host makes these checks with some neighbours only.`)]));
  }
  if (proof.isolation.length) byId("more").append(folded("Isolation", ["from", "must not reach", "answered"], proof.isolation.map(([a, b, c]) => [a, b, c || "nothing"]), proof.isolation.some((tried) => tried[2])));
  if (proof.evidence.length) byId("more").append(folded("VXLAN devices while it was checked", ["host", "VNI", "VTEP", "packets out", "packets in"], proof.evidence, false));
}

function folded(title, columns, rows, open) {
  const table = make("table", [make("thead", make("tr", columns.map((name) => make("th", name)))), make("tbody", rows.map((row) => make("tr", row.map((value) => make("td", `${value}`)))))]);
  const element = make("details", [make("summary", title), table]);
  element.open = open;
  return element;
}

theme("auto");
summary();
causes();
more();
build();
for (const check of new Set([...proof.checks.overlay, ...proof.checks.underlay])) byId("check").append(new Option(check, check));
byId("planes").hidden = !hasUnderlay;
choosePlane();
listen();
read();
details(null, null);
