// The page: joins the socket, the model and the panels, and paints once a frame of the screen.

import { $, mark, write, make } from "./marks.js";
import { Model } from "./model.js";
import { Live, seconds } from "./live.js";
import { Chart } from "./chart.js";
import { Health, Ladder, Log, Orders, Tape, Watch } from "./panels.js";
import { Commands } from "./commands.js";
import { clock, zone } from "./times.js";

const INTERVALS = ["1s", "5s", "15s", "1m", "5m", "15m"];
const WORDS = { connecting: "Connecting", live: "Live", stale: "Stale", resyncing: "Resyncing", disconnected: "Disconnected" };

// The token comes once, in the part of the address that is never sent, and then leaves the address.
const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
if (token) sessionStorage.setItem("token", token);
if (location.hash) history.replaceState(null, "", location.pathname + location.search);

const model = new Model(), view = new Model();
const asked = new URLSearchParams(location.search);
const page = { symbol: asked.get("symbol") || "", interval: asked.get("interval") || "1s", frozen: 0, frames: [], latency: [], refused: "" };
if (!INTERVALS.includes(page.interval)) page.interval = "1s";

const chart = new Chart();
const watch = new Watch((symbol) => choose(symbol, page.interval));
const ladder = new Ladder(), tape = new Tape(), health = new Health(), log = new Log();
const live = new Live(token, take, notice);
const commands = new Commands(token, model, live);
const orders = new Orders((id, button) => commands.cancel(id, button), () => commands.mayAct);

// ── what comes ──

function take(message, whole) {
  if (whole) {
    model.clear();
    view.clear();
    model.kept = view.kept = message.kept;
    page.fresh = true;
  }
  model.apply(message.common);
  const key = `${page.symbol}@${page.interval}`;
  const mine = message.views[key];
  if (mine) view.apply(mine);
  if (!page.symbol || !model.table("watch").has(page.symbol)) {
    const [first] = model.table("watch").keys();
    if (first && first !== page.symbol) return choose(first, page.interval);
  } else if (whole && !mine && !live.views.includes(key)) {
    return choose(page.symbol, page.interval);
  }
  page.newest = Math.max(page.newest || 0, message.heard);
  schedule();
}

function notice(message) {
  page.refused = message.why;
  write($("said"), message.why);
}

function choose(symbol, interval) {
  page.symbol = symbol;
  page.interval = interval;
  watch.chosen = watch.cursor = symbol;
  view.clear();
  page.fresh = true;
  live.look([`${symbol}@${interval}`]);
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
    const changed = model.take(), seen = view.take();
    if (page.fresh) {
      const digits = view.table("info").get("price digits");
      if (digits !== undefined) { chart.reset(digits); chart.showBars(view.table("bars")); chart.showLines(view.table("lines")); page.fresh = false; }
    }
    paintView(seen);
    if (changed.has("orders") || changed.has("fills") || changed.has("positions") || orders.stale) { orders.stale = false; orders.show(model); }
    if (changed.has("log") && document.body.dataset.tab === "log") log.show(model);
    paintWatch();
    paintHead();
  }
  live.answer();
  if (page.newest !== page.painted) {
    page.painted = page.newest;
    page.frames.push(performance.now());
    channel.port2.postMessage(0);
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
  watch.show(model, live, model.table("desk").get("limit"));
  const row = model.table("watch").get(page.symbol);
  write($("h-chart"), page.symbol || "–");
  if (!row) return;
  const [last, direction, change, sign, , , since] = row;
  write($("big"), last);
  write($("big-arrow"), direction > 0 ? "▲" : direction < 0 ? "▼" : "");
  mark($("big-arrow"), "class", direction > 0 ? "arrow up" : "arrow down");
  write($("change"), change === "–" ? "" : change);
  write($("since"), change === "–" ? "" : `since ${since === "start" ? "the start" : since}`);
  mark($("change"), "class", sign > 0 ? "n up" : sign < 0 ? "n down" : "n");
}

function paintHead() {
  const desk = model.table("desk");
  const mode = desk.get("mode") || "";
  mark($("mode"), "data-mode", mode);
  mark(document.body, "data-mode", mode);
  write($("mode"), mode === "live" ? "LIVE TRADING" : mode ? mode.toUpperCase() : "–");
  const recorded = desk.get("replay") || 0;
  $("replay").hidden = !recorded;
  mark(document.body, "data-replay", recorded ? "1" : "");
  write($("replay"), recorded ? `REPLAY of ${new Date(recorded).toISOString().slice(0, 10)}` : "–");
  write($("lag"), (desk.get("lag p99") || "–") === "–" ? "–" : `${desk.get("lag p99")} ms`);
  write($("tick"), desk.get("tick to order") || "–");
  write($("version"), desk.get("version") || "");
}

function painted() {
  const late = live.now() - page.newest;
  page.latency.push(late);
  if (page.latency.length > 200) page.latency.shift();
}

// ── what is true of the whole, ten times a second ──

function facts() {
  const desk = model.table("desk"), venues = [...model.table("venues")];
  const down = venues.filter(([, row]) => row.state === "down").map(([name]) => name);
  const watched = [...model.table("watch").keys()], stale = model.table("stale");
  const all = watched.length && watched.every((symbol) => stale.get(symbol));
  return {
    limit: desk.get("limit"), upstream: desk.get("upstream") || "",
    down: down.length && down.length === venues.length ? `no connection to ${down.join(", ")}` : all ? `every symbol is stale: ${stale.get(watched[0])}` : "",
  };
}

function watchOver() {
  const [state, why] = live.state(facts());
  const doubt = state === "stale" || state === "disconnected" ? "1" : "";
  mark(document.body, "data-state", state);
  mark(document.body, "data-doubt", doubt);
  mark(document.body, "data-seq", String(live.seq));
  write($("state").lastChild, WORDS[state]);
  const desk = model.table("desk"), halted = desk.get("halted") || "";
  mark(document.body, "data-halted", halted ? "1" : "");
  banner(state, why, halted, desk);
  const open = [...model.table("orders").values()].filter((row) => row.open).length;
  const last = model.table("watch").get(page.symbol);
  const prefix = (desk.get("replay") ? "[REPLAY] " : "") + (doubt ? `[${WORDS[state].toUpperCase()}] ` : halted ? "[HALTED] " : "");
  document.title = `${prefix}${page.symbol} ${last ? last[0] : ""} (${open}) – pitwire`;
  health.show(model, live, state === "live" || state === "resyncing");
  if (doubt) watch.show(model, live, desk.get("limit"));
  write($("clock"), `${clock(live.now(), zone.milliseconds)} ${zone.label}`);
  const now = performance.now();
  page.frames = page.frames.filter((at) => now - at < 1000);
  write($("fps"), doubt ? "0" : String(page.frames.length));
  const sorted = [...page.latency].sort((a, b) => a - b);
  if (sorted.length) write($("paint"), doubt ? "–" : `${sorted[sorted.length >> 1].toFixed(0)} / ${sorted[Math.floor(sorted.length * 0.99)].toFixed(0)} ms`);
  $("frozen").hidden = !page.frozen;
  if (page.frozen) write($("frozen"), `frozen ${seconds(now - page.frozen)} s`);
  commands.watchOver(state, halted);
}

let spoken = "";
function banner(state, why, halted, desk) {
  const box = $("banner");
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
    more = why;
  } else if (state === "resyncing") {
    tone = "thin";
    text = "Resyncing";
    more = "a frame was missed";
  }
  if (halted) {
    const [by, at] = desk.get("halted by") || ["", 0];
    text = `Trading is halted: ${halted}${by ? ` (by ${by}${at ? `, ${clock(at, false)} ${zone.label}` : ""})` : ""}. ${text}`;
    tone = "red";
    const closing = Object.entries(desk.get("closing") || {}).map(([symbol, [, state]]) => `${symbol} ${state}`);
    if (closing.length) more = `Flatten: ${closing.join(", ")}. ${more}`;
  } else if (desk.get("reducing") && !tone) {
    tone = "amber";
    text = `Only orders that reduce a position may leave: ${desk.get("reducing")}`;
  } else if (page.refused && !tone) {
    tone = "thin";
    text = page.refused;
  }
  box.hidden = !tone;
  mark(box, "data-tone", tone);
  write($("banner-text"), text);
  write($("banner-more"), more);
  $("retry").hidden = state !== "disconnected";
  const news = `${state} ${halted}`;
  if (news !== spoken) {
    spoken = news;
    write(halted ? $("alarm") : $("said"), halted ? `Trading is halted: ${halted}` : WORDS[state]);
  }
}

// ── keys and buttons ──

function tab(name) {
  document.body.dataset.tab = name;
  $("main").hidden = name !== "desk";
  $("analysis").hidden = name !== "analysis";
  $("log-view").hidden = name !== "log";
  for (const button of document.querySelectorAll("header [role=tab]")) mark(button, "aria-selected", button.dataset.tab === name ? "true" : "false");
  if (name === "analysis" && !$("analysis").firstChild) $("analysis").append(make("iframe", { src: "analysis.html", title: "Analysis" }));
  if (name === "log") log.show(model);
}

function pane(name) {
  document.body.dataset.pane = name;
  for (const button of document.querySelectorAll(".panes button")) mark(button, "aria-pressed", button.dataset.pane === name ? "true" : "false");
}

function freeze() {
  page.frozen = page.frozen ? 0 : performance.now();
  if (!page.frozen) { for (const topic of model.tables.keys()) model.touched.add(topic); for (const topic of [...view.tables.keys(), ...view.tales.keys()]) view.touched.add(topic); paint(); }
}

function readQuote() {
  const row = model.table("watch").get(page.symbol), [state] = live.state(facts());
  if (row) write($("said"), `${state === "live" ? "" : `${WORDS[state]}. `}${page.symbol}: last ${row[0]}, bid ${row[4]}, ask ${row[5]}, change ${row[2]}`);
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
  "/": () => { pane("watch"); $("filter").focus(); }, j: () => watch.move(model, 1), k: () => watch.move(model, -1),
  ArrowDown: () => watch.move(model, 1), ArrowUp: () => watch.move(model, -1),
  Enter: () => { if (watch.cursor) choose(watch.cursor, page.interval); },
  End: () => chart.toLive(), r: () => ladder.show(view), p: freeze, q: readQuote, K: () => commands.openKill(), "?": () => $("help").showModal(),
  g: () => { prefix = performance.now(); },
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing && !event.target.closest("dialog")) { event.target.blur(); return; }
  if (event.target === $("filter") && (event.key === "Enter" || event.key === "ArrowDown")) { event.preventDefault(); event.target.blur(); watch.cursor = undefined; watch.move(model, 0); KEYS.Enter(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const button = event.target.closest("button, a");
  if (event.key === "Enter" && button) return;
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches(".scroll")) return;
  if (performance.now() - prefix < 1500 && GOES[event.key]) { prefix = 0; event.preventDefault(); GOES[event.key](); return; }
  const number = INTERVALS[Number(event.key) - 1];
  if (number && page.symbol) { choose(page.symbol, number); return; }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});

$("filter").oninput = (event) => { watch.filter = event.target.value; paintWatch(); };
$("retry").onclick = () => live.retry();
$("to-live").onclick = () => chart.toLive();
$("help-open").onclick = () => $("help").showModal();
$("clock").onclick = (event) => { if (event.shiftKey) zone.flip(); else zone.next(); freezeAgain(); };
$("colours").onchange = (event) => { localStorage.setItem("colours", event.target.value); colours(); };
for (const button of document.querySelectorAll("header [role=tab]")) button.onclick = () => tab(button.dataset.tab);
for (const button of document.querySelectorAll(".panes button")) button.onclick = () => pane(button.dataset.pane);
for (const interval of INTERVALS) {
  const button = make("button", { type: "button", "aria-pressed": String(interval === page.interval) }, interval);
  button.onclick = () => choose(page.symbol, interval);
  $("intervals").append(button);
}

function freezeAgain() { for (const topic of ["orders", "fills"]) model.touched.add(topic); view.touched.add("tape"); paint(); }
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
window.pitwire = { page, model, view, live, chart };
