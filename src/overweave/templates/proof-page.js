// The page around the grid, its controls, and the start.

function summary() {
  const all = hosts.length * (hosts.length - 1), green = proof.pairs.filter((pair) => !pair[3].length).length;
  document.title = `${proof.green ? "proven" : "NOT proven"}: ${proof.network}`;
  byId("verdict").textContent = proof.green ? "PROVEN" : "NOT PROVEN";
  byId("verdict").classList.toggle("green", proof.green);
  byId("headline").textContent = `${green} of ${plural(all, "directed pair")} green on ${proof.network}`;
  byId("about").textContent = [proof.at, `in ${proof.seconds.toFixed(1)} s`, proof.between && `between ${proof.between}`, `overweave ${proof.version}`].filter(Boolean).join("  \u00b7  ");
  const times = proof.pairs.filter((pair) => pair[4].icmp?.[2] != null).sort((a, b) => b[4].icmp[2] - a[4].icmp[2]);
  const losses = proof.pairs.map((pair) => pair[4].icmp?.[3]).filter((loss) => loss != null);
  const numbers = [["hosts", hosts.length], ["green pairs", `${green} / ${all}`]];
  if (proof.median != null) numbers.push(["median round trip", time(proof.median)]);
  if (times.length) numbers.push(["worst round trip", time(times[0][4].icmp[2]), `${hosts[times[0][0]]} \u2192 ${hosts[times[0][1]]}`]);
  if (losses.length) numbers.push(["pairs with loss", losses.filter((loss) => loss > 0).length]);
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
  if (proof.impossible.length) {
    byId("more").append(make("div", [make("h2", "Not checked"), make("p", `${proof.impossible.join(", ")}, and the underlay of these hosts: there is no perl on ${proof.withoutPerl.join(", ")}.`)]));
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

function read() {
  view.plane = document.querySelector("input[name=plane]:checked").value;
  view.check = byId("check").value;
  view.host = byId("host").value.trim().toLowerCase();
  view.failing = byId("failing").checked;
  paint();
  if (kept) details(...kept);
}

function choosePlane() {
  if (!hasUnderlay) document.querySelector("input[value=overlay]").checked = true;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = { auto: "colours: system", light: "colours: light", dark: "colours: dark" }[name];
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
