// What is told beside the grid: of one pair, and of what is wrong.
let kept = null;

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

function keep(from, to) {
  if (kept) cells[kept[0]][kept[1]].classList.remove("kept");
  kept = from === null ? null : [from, to];
  if (kept) cells[from][to].classList.add("kept");
  details(from, to);
  point(kept && cells[from][to]);
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

function chooseCause(number) {
  document.querySelectorAll(".cause button").forEach((button, at) => button.setAttribute("aria-pressed", at === number));
  view.cause = number === null ? null : new Set(proof.causes[number].pairs.map(([from, to]) => from * hosts.length + to));
}
