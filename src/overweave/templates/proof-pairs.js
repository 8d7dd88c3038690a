"use strict";
// A proof, and what each of its pairs is in the current view. The parts of this script are one, in this order:
// pairs, grid, details, page.
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
