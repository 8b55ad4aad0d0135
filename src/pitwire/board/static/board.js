// The page: joins the socket, the model and the panels, and paints once a frame of the screen.

import { $, mark, write, make } from "./marks.js";
import { Model } from "./model.js";
import { Desk, WORDS, partly, whole } from "./desks.js";
import { seconds } from "./live.js";
import { Chart } from "./chart.js";
import { Health, Ladder, Log, Orders, Tape, Watch } from "./panels.js";
import { Commands } from "./commands.js";
import { clock, zone } from "./times.js";

const INTERVALS = ["1s", "5s", "15s", "1m", "5m", "15m"];

// The token comes once, in the part of the address that is never sent, and then leaves the address.
const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
if (token) sessionStorage.setItem("token", token);
if (location.hash) history.replaceState(null, "", location.pathname + location.search);

const view = new Model(); // what the chosen desk shows of the chosen symbol
const asked = new URLSearchParams(location.search);
const page = { desk: null, symbol: asked.get("symbol") || "", interval: asked.get("interval") || "1s", frozen: 0, paints: 0, paintedAt: 0, frames: [], latency: [], refused: "" };
if (!INTERVALS.includes(page.interval)) page.interval = "1s";

const chart = new Chart();
const watch = new Watch((desk, symbol) => choose(desk, symbol, page.interval));
const ladder = new Ladder(), tape = new Tape(), health = new Health(), log = new Log();
const hear = { hello: greet, frame: take, notice };
const desks = [new Desk(token, "", hear)];
page.desk = desks[0];
const commands = new Commands(token, desks);
const orders = new Orders((desk, id, button) => commands.cancel(desk, id, button));

// ── what comes ──

// The board says which desks it shows: each gets a connection of its own.
function greet(desk, message) {
  for (const name of message.desks) if (!desks.some((one) => one.name === name)) desks.push(new Desk(token, name, hear));
  mark(document.body, "data-many", desks.length > 1 ? "1" : "");
  if (asked.get("desk") === desk.name && page.desk !== desk && !page.chosen) { page.desk = desk; page.symbol = asked.get("symbol") || ""; }
}

function take(desk, message, whole) {
  const { model } = desk;
  if (whole) {
    model.clear();
    if (desk === page.desk) { view.clear(); page.fresh = true; }
    model.kept = view.kept = message.kept;
  }
  model.apply(message.common);
  desk.noteStart();
  desk.newest = Math.max(desk.newest, message.heard);
  const key = `${page.symbol}@${page.interval}`;
  const mine = desk === page.desk ? message.views[key] : undefined;
  if (mine) view.apply(mine);
  const mute = page.desk.live.lastAt && !page.desk.model.table("watch").size; // a desk that is not there
  if (desk === page.desk ? !model.table("watch").has(page.symbol) : mute && !page.symbol) {
    const [first] = model.table("watch").keys();
    if (first && (first !== page.symbol || desk !== page.desk)) return choose(desk, first, page.interval);
  } else if (whole && desk === page.desk && !mine && !desk.live.views.includes(key)) {
    return choose(desk, page.symbol, page.interval);
  }
  schedule();
}

function notice(desk, message) {
  page.refused = message.why;
  write($("said"), message.why);
}

function choose(desk, symbol, interval) {
  if (desk !== page.desk) page.desk.live.look([]);
  page.desk = desk;
  page.symbol = symbol;
  page.interval = interval;
  page.chosen = true;
  watch.chosen = watch.cursor = desk.key(symbol);
  view.clear();
  page.fresh = true;
  desk.live.look([`${symbol}@${interval}`]);
  for (const button of $("intervals").children) mark(button, "aria-pressed", button.textContent === interval ? "true" : "false");
}

// ── painting ──

let waiting = false;
const channel = new MessageChannel();
channel.port1.onmessage = () => painted();

function schedule() {
  if (waiting) return;
  waiting = true;
  let done = false;
  const once = () => { if (!done) { done = true; waiting = false; paint(); } };
  requestAnimationFrame(once);
  setTimeout(once, 250); // a tab that nobody sees gets no animation frames
}

function paint() {
  if (!page.frozen) {
    const changed = new Set(), seen = view.take();
    for (const desk of desks) for (const topic of desk.model.take()) changed.add(topic);
    if (page.fresh) {
      const digits = view.table("info").get("price digits");
      if (digits !== undefined) { ladder.widest.clear(); tape.widest.clear(); chart.reset(digits); chart.showBars(view.table("bars")); chart.showLines(view.table("lines")); page.fresh = false; }
    }
    paintView(seen);
    if (changed.has("orders") || changed.has("fills") || changed.has("positions") || orders.stale) { orders.stale = false; orders.show(desks); }
    if (changed.has("log") && document.body.dataset.tab === "log") log.show(desks);
    paintWatch();
    paintHead();
  }
  for (const desk of desks) desk.live.answer();
  const { newest, live } = page.desk;
  if (newest !== page.painted) {
    page.painted = newest;
    page.paints += 1;
    page.paintedAt = performance.now();
    page.frames.push(performance.now());
    if (live.head && live.head.kind === "frame") channel.port2.postMessage(0); // what a picture begins with may be old
  }
  commands.show();
}

function paintView(seen) {
  if (seen.has("book")) ladder.show(view);
  if (seen.has("tape")) tape.show(view);
  if (seen.has("bars")) chart.showBars(view.table("bars"));
  if (seen.has("marks")) chart.showMarks(view.table("marks"));
}

function paintWatch() {
  watch.show(desks);
  const row = page.desk.model.table("watch").get(page.symbol);
  write($("h-chart"), page.symbol ? page.desk.named(page.symbol) : "–");
  if (!row) return;
  const [last, direction, change, sign, , , since] = row;
  write($("big"), last);
  write($("big-arrow"), direction > 0 ? "▲" : direction < 0 ? "▼" : "");
  mark($("big-arrow"), "class", direction > 0 ? "arrow up" : "arrow down");
  write($("change"), change === "–" ? "" : change);
  write($("since"), change === "–" ? "" : `since ${since === "start" ? "the start" : since}`);
  mark($("change"), "class", sign > 0 ? "n up" : sign < 0 ? "n down" : "n");
}

const MODES = ["live", "paper", "sim"]; // the loudest first

function paintHead() {
  const chosen = page.desk;
  const modes = [...new Set(desks.map((desk) => desk.get("mode")).filter(Boolean))].sort((a, b) => MODES.indexOf(a) - MODES.indexOf(b));
  mark($("mode"), "data-mode", modes[0] || "");
  mark(document.body, "data-mode", modes[0] || "");
  write($("mode"), modes.map((mode) => (mode === "live" ? "LIVE TRADING" : mode.toUpperCase())).join(" + ") || "–");
  const recorded = Math.max(0, ...desks.map((desk) => desk.get("replay") || 0));
  $("replay").hidden = !recorded;
  mark(document.body, "data-replay", recorded ? "1" : "");
  const moment = new Date(recorded).toISOString(); // what is played again has a time; what is served, a date
  write($("replay"), !recorded ? "–" : chosen.get("played") ? `REPLAY ${moment.slice(0, 19).replace("T", " ")} UTC` : `REPLAY of ${moment.slice(0, 10)}`);
  write($("lag"), (chosen.get("lag p99") || "–") === "–" ? "–" : `${chosen.get("lag p99")} ms`);
  write($("tick"), chosen.get("tick to order") || "–");
  write($("version"), chosen.get("version") || "");
}

function painted() {
  const late = page.desk.live.now() - page.desk.newest;
  page.latency.push(late);
  if (page.latency.length > 200) page.latency.shift();
}

// ── what is true of the whole, ten times a second ──

function watchOver() {
  for (const desk of desks) desk.look();
  const state = whole(desks), part = partly(desks), chosen = page.desk, many = desks.length > 1;
  const doubt = state === "stale" || state === "disconnected" ? "1" : "";
  const unseen = desks.some((desk) => desk.doubted !== desk.shownDoubted);
  for (const desk of desks) desk.shownDoubted = desk.doubted;
  mark(document.body, "data-state", state);
  mark(document.body, "data-doubt", doubt);
  mark(document.body, "data-part", part ? "1" : "");
  mark(document.body, "data-view-doubt", chosen.doubted ? "1" : "");
  mark(document.body, "data-seq", String(chosen.live.seq));
  write($("state").lastChild, part ? `${desks.filter((desk) => desk.isKnown).length} of ${desks.length} ${WORDS[state].toLowerCase()}` : many ? WORDS[state] : chosen.word);
  const halted = desks.filter((desk) => desk.halted);
  mark(document.body, "data-halted", halted.length ? "1" : "");
  banner(state, part, halted);
  const open = desks.reduce((sum, desk) => sum + desk.open().length, 0);
  const last = chosen.model.table("watch").get(page.symbol);
  const prefix = (document.body.dataset.replay ? "[REPLAY] " : "") + (doubt ? `[${WORDS[state].toUpperCase()}] ` : halted.length ? "[HALTED] " : part ? "[PART STALE] " : "");
  document.title = `${prefix}${page.symbol} ${last ? last[0] : ""} (${open}) – pitwire`;
  health.show(desks, chosen);
  if (doubt || part || unseen) { watch.show(desks); if (unseen) orders.show(desks); }
  write($("clock"), `${clock(chosen.live.now(), zone.milliseconds)} ${zone.label}`);
  const now = performance.now();
  page.frames = page.frames.filter((at) => now - at < 1000);
  write($("fps"), chosen.doubted ? "0" : String(page.frames.length));
  const sorted = [...page.latency].sort((a, b) => a - b);
  if (sorted.length) write($("paint"), chosen.doubted ? "–" : `${sorted[sorted.length >> 1].toFixed(0)} / ${sorted[Math.floor(sorted.length * 0.99)].toFixed(0)} ms`);
  $("frozen").hidden = !page.frozen;
  if (page.frozen) write($("frozen"), `frozen ${seconds(now - page.frozen)} s`);
  commands.watchOver(state);
}

const before = (desk) => (desks.length > 1 ? `${desk.name}: ` : "");

function haltOf(desk) {
  const [by, at] = desk.get("halted by") || ["", 0];
  return `${before(desk)}Trading is halted: ${desk.halted}${by ? ` (by ${by}${at ? `, ${clock(at, false)} ${zone.label}` : ""})` : ""}.`;
}

let spoken = "";
function banner(state, part, halted) {
  const box = $("banner"), { live, why } = page.desk;
  let tone = "", text = "", more = "";
  if (state === "disconnected") {
    const left = Math.max(0, live.retryAt - performance.now());
    tone = "red";
    text = "Disconnected from the desk.";
    more = `Attempt ${live.attempt}${live.retryAt ? `, again in ${seconds(left)} s` : ", dialling"}. What is shown is of ${clock(live.head ? live.head.now : 0, false)} ${zone.label}.`;
  } else if (state === "connecting" && performance.now() - live.opened > 5000) {
    tone = "amber";
    text = "Still connecting.";
    more = token ? "Is the desk running, and the address of this run?" : "This address has no token: use the one that the desk has printed.";
  } else if (state === "stale") {
    tone = "amber";
    text = "Stale: do not trade on what you see.";
    more = desks.length > 1 ? desks.map((desk) => `${desk.name}: ${desk.why}`).join("; ") : why;
  } else if (part) {
    tone = "amber";
    text = "Not all is to be believed.";
    more = part;
  } else if (state === "resyncing") {
    tone = "thin";
    text = "Resyncing";
    more = "a frame was missed";
  }
  const reducing = desks.filter((desk) => desk.get("reducing"));
  if (halted.length) {
    const told = halted.map(haltOf).join(" ");
    text = `${told} ${text}`;
    tone = "red";
    const closing = halted.flatMap((desk) => Object.entries(desk.get("closing") || {}).map(([symbol, [, state]]) => `${desk.named(symbol)} ${state}`));
    if (closing.length) more = `Flatten: ${closing.join(", ")}. ${more}`;
  } else if (reducing.length && !tone) {
    tone = "amber";
    text = reducing.map((desk) => `${before(desk)}Only orders that reduce a position may leave: ${desk.get("reducing")}`).join(" ");
  } else if (!tone && desks.some((desk) => desk.restarted)) {
    tone = "thin";
    text = "Desk restarted:";
    more = desks.filter((desk) => desk.restarted).map((desk) => `${before(desk)}what is shown is of ${desk.get("run") || "the desk"} since ${clock(desk.since, false)} ${zone.label}`).join("; ");
  } else if (!tone && desks.some((desk) => desk.get("skew"))) {
    tone = "thin";
    text = "Clock skew:";
    more = desks.filter((desk) => desk.get("skew")).map((desk) => `${before(desk)}${desk.get("skew")}; ages allow for it`).join("; ");
  } else if (page.desk.get("played") === "over" && !tone) {
    tone = "thin";
    text = "The recording is over: this is how it ended.";
  } else if (page.refused && !tone) {
    tone = "thin";
    text = page.refused;
  }
  const newer = desks.filter((desk) => desk.get("newer")).map((desk) => `${before(desk)}this is ${desk.get("run")}, and there is ${desk.get("newer")}`).join("; ");
  if (newer && !tone) [tone, text, more] = ["thin", "The desk has a newer run:", newer];
  else if (newer) more = `${more}${more ? "; " : ""}${newer}`;
  box.hidden = !tone;
  mark(box, "data-tone", tone);
  write($("banner-text"), text);
  write($("banner-more"), more);
  $("retry").hidden = state !== "disconnected";
  const halts = halted.map((desk) => `${before(desk)}Trading is halted: ${desk.halted}`).join(" ");
  const news = `${state} ${halts} ${desks.map((desk) => desk.since)} ${desks.filter((desk) => !desk.isKnown).map((desk) => desk.name)}`;
  if (news !== spoken) {
    spoken = news;
    write(halts ? $("alarm") : $("said"), halts || (part ? `${text} ${part}` : desks.some((desk) => desk.restarted) ? `${WORDS[state]}. ${text} ${more}` : WORDS[state]));
  }
}

// ── keys and buttons ──

function tab(name) {
  document.body.dataset.tab = name;
  $("main").hidden = name !== "desk";
  $("analysis").hidden = name !== "analysis";
  $("log-view").hidden = name !== "log";
  for (const button of document.querySelectorAll("header [role=tab]")) mark(button, "aria-selected", button.dataset.tab === name ? "true" : "false");
  if (name === "analysis" && page.analysed !== page.desk) {
    page.analysed = page.desk;
    $("analysis").replaceChildren(make("iframe", { src: `analysis.html?desk=${encodeURIComponent(page.desk.name)}`, title: page.desk.name ? `Analysis of ${page.desk.name}` : "Analysis" }));
  }
  if (name === "log") log.show(desks);
}

function pane(name) {
  document.body.dataset.pane = name;
  for (const button of document.querySelectorAll(".panes button")) mark(button, "aria-pressed", button.dataset.pane === name ? "true" : "false");
}

function freeze() {
  page.frozen = page.frozen ? 0 : performance.now();
  if (page.frozen) return;
  for (const { model } of desks) for (const topic of model.tables.keys()) model.touched.add(topic);
  for (const topic of [...view.tables.keys(), ...view.tales.keys()]) view.touched.add(topic);
  paint();
}

function readQuote() {
  const { model, state, doubted } = page.desk, row = model.table("watch").get(page.symbol);
  if (row) write($("said"), `${doubted ? `${WORDS[state]}. ` : ""}${page.symbol}: last ${row[0]}, bid ${row[4]}, ask ${row[5]}, change ${row[2]}`);
  write($("chart-summary"), chart.summary(page.symbol, page.interval));
}

let prefix = 0;
const GOES = {
  o: () => { tab("desk"); pane("orders"); orders.choose("working"); paint(); document.querySelector("#orders [data-list=working]").focus(); },
  f: () => { tab("desk"); pane("orders"); orders.choose("fills"); paint(); document.querySelector("#orders [data-list=fills]").focus(); },
  h: () => { tab("desk"); pane("health"); document.querySelector("#health .scroll").focus(); },
  a: () => tab("analysis"), l: () => tab("log"), d: () => tab("desk"),
};
const KEYS = {
  "/": () => { pane("watch"); $("filter").focus(); }, j: () => watch.move(desks, 1), k: () => watch.move(desks, -1),
  ArrowDown: () => watch.move(desks, 1), ArrowUp: () => watch.move(desks, -1),
  Enter: () => watch.pickCursor(desks),
  End: () => chart.toLive(), r: () => ladder.show(view), p: freeze, q: readQuote, K: () => commands.openKill(), "?": () => $("help").showModal(),
  g: () => { prefix = performance.now(); },
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing && !event.target.closest("dialog")) { event.target.blur(); return; }
  if (event.target === $("filter") && (event.key === "Enter" || event.key === "ArrowDown")) { event.preventDefault(); event.target.blur(); watch.cursor = undefined; watch.move(desks, 0); KEYS.Enter(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const button = event.target.closest("button, a");
  if (event.key === "Enter" && button) return;
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches(".scroll")) return;
  if (performance.now() - prefix < 1500 && GOES[event.key]) { prefix = 0; event.preventDefault(); GOES[event.key](); return; }
  const number = INTERVALS[Number(event.key) - 1];
  if (number && page.symbol) { choose(page.desk, page.symbol, number); return; }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});

$("filter").oninput = (event) => { watch.filter = event.target.value; paintWatch(); };
$("retry").onclick = () => { for (const desk of desks) desk.live.retry(); };
$("to-live").onclick = () => chart.toLive();
$("help-open").onclick = () => $("help").showModal();
$("clock").onclick = (event) => { if (event.shiftKey) zone.flip(); else zone.next(); freezeAgain(); };
$("colours").onchange = (event) => { localStorage.setItem("colours", event.target.value); colours(); };
for (const button of document.querySelectorAll("header [role=tab]")) button.onclick = () => tab(button.dataset.tab);
for (const button of document.querySelectorAll(".panes button")) button.onclick = () => pane(button.dataset.pane);
for (const interval of INTERVALS) {
  const button = make("button", { type: "button", "aria-pressed": String(interval === page.interval) }, interval);
  button.onclick = () => choose(page.desk, page.symbol, interval);
  $("intervals").append(button);
}

function freezeAgain() { orders.stale = true; view.touched.add("tape"); paint(); }
function colours() {
  const wanted = localStorage.getItem("colours") || "blue";
  document.documentElement.dataset.colours = $("colours").value = wanted;
  chart.colour();
}

if (window.matchMedia("(max-width: 700px)").matches) orders.choose("positions"); // what people open on a phone
colours();
watchOver();
setInterval(watchOver, 100);

// For tests and the curious: numbers, and nothing that could act.
window.pitwire = { page, desks, view, chart, get model() { return page.desk.model; }, get live() { return page.desk.live; } };
