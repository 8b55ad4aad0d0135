// Halt, flatten, resume, cancel. Nothing is called done before the desk has said so.

import { $, make, mark, write } from "./marks.js";

const LINES = { halt: "kill", flatten: "kill --flatten", resume: "resume" };

export class Commands {
  constructor(token, desks) {
    this.token = token;
    this.desks = desks;
    this.asked = [];
    this.word($("kill-word"), $("kill-do"), "HALT");
    this.word($("resume-word"), $("resume-do"), "RESUME");
    $("kill-open").onclick = () => this.openKill();
    $("resume-open").onclick = () => this.openResume();
    $("kill-close").onclick = () => $("kill").close();
    $("resume-close").onclick = () => $("resume").close();
    $("kill-do").onclick = () => this.act($("kill-flatten").checked ? "flatten" : "halt", $("kill-progress"), $("kill-do"), $("kill-scope"));
    $("kill-flatten").onchange = $("kill-scope").onchange = () => this.show();
    $("resume-scope").onchange = () => this.showResume();
    $("resume-do").onclick = () => this.act("resume", $("resume-progress"), $("resume-do"), $("resume-scope"));
  }

  get mayAct() { return this.desks.some((desk) => desk.live.rights === "control"); }

  // The desks that a dialog is about: all, or the one that is chosen in it.
  scope(field) { return field.value ? this.desks.filter((desk) => desk.name === field.value) : this.desks; }

  offer(field, desks, all) {
    const names = desks.map((desk) => desk.name), first = all ? [make("option", { value: "" }, `all ${names.length} desks`)] : [];
    field.replaceChildren(...first, ...names.map((name) => make("option", { value: name }, name)));
    field.parentNode.hidden = this.desks.length < 2;
  }

  word(field, button, wanted) {
    const look = () => { button.disabled = field.value !== wanted || !this.mayAct || this.busy; };
    field.oninput = look;
    field.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      look();
      if (!button.disabled) button.click();
    };
  }

  openKill() {
    if ($("kill-open").disabled || !this.mayAct) return;
    this.asked = [];
    $("kill-flatten").checked = false;
    this.offer($("kill-scope"), this.desks, true);
    this.show();
    $("kill-word").value = "";
    $("kill-do").disabled = true;
    write($("kill-progress"), "");
    $("kill").showModal();
    $("kill-word").focus();
  }

  openResume() {
    this.asked = [];
    this.offer($("resume-scope"), this.desks.filter((desk) => desk.halted), false);
    this.showResume();
    $("resume-word").value = "";
    $("resume-do").disabled = true;
    write($("resume-progress"), "");
    $("resume").showModal();
    $("resume-word").focus();
  }

  showResume() {
    const [desk] = this.scope($("resume-scope"));
    write($("resume-what"), `The halt${desk.name ? ` of ${desk.name}` : ""}: ${desk.halted || "–"}. Rules may send orders again at once.`);
  }

  // What a halt would do now, in numbers; once asked for, what has become of it.
  show() {
    if (!$("kill").open && this.asked.length) return;
    if (this.asked.some((one) => one.told)) { this.tell(); return; } // what it would do is done: that stands as it was asked
    const desks = this.scope($("kill-scope")), sum = (count) => desks.reduce((so_far, desk) => so_far + count(desk), 0);
    const open = sum((desk) => desk.open().length), venues = sum((desk) => desk.model.table("venues").size || 1), held = sum((desk) => desk.held().length);
    const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`, flatten = $("kill-flatten").checked;
    const doubted = desks.filter((desk) => desk.name && desk.doubted).map((desk) => desk.name);
    write($("kill-what"), `This will cancel ${count(open, "working order")} on ${count(venues, "venue")}, block new orders, and ${flatten ? "close" : "leave"} ${count(held, "position")} ${flatten ? "at the market" : "open"}. ${doubted.length ? `What is counted of ${doubted.join(", ")} may be old. ` : ""}Only a person can resume.`);
  }

  watchOver(state) {
    const cut = state === "disconnected", folders = this.desks.map((desk) => desk.get("state")).filter(Boolean);
    $("kill-open").hidden = !this.mayAct && !cut;
    $("kill-open").disabled = cut;
    write($("kill-open"), cut ? `No connection: pitwire kill${folders.length ? " …" : ""}` : "Kill switch…");
    $("kill-open").title = cut ? `On the desk's machine: ${folders.map((folder) => `pitwire kill ${folder}`).join("; ") || "pitwire kill"}` : "Shift+K";
    $("resume-open").hidden = !this.desks.some((desk) => desk.halted) || cut || !this.mayAct;
  }

  async act(what, progress, button, field) {
    this.busy = true;
    button.disabled = true;
    this.progress = progress;
    this.asked = this.scope(field).map((desk) => ({ desk, what, text: "Asked; waiting for the desk …", tone: "" }));
    this.tell();
    await Promise.all(this.asked.map((one) => this.ask(one)));
    button.disabled = !this.asked.some((one) => one.failed);
    this.busy = false;
  }

  async ask(one) {
    const { desk, what } = one;
    try {
      const told = await this.post({ do: what, desk: desk.name, reason: what === "resume" ? "" : $("kill-reason").value }, desk);
      if (told.error) [one.tone, one.text] = ["bad", `The desk says: ${told.error}`];
      else if (what === "resume") [one.tone, one.text] = told.halted ? ["bad", `Still halted: ${told.halted}`] : ["done", "Resumed: the desk has confirmed."];
      else if (!told.halted) [one.tone, one.text] = ["bad", "The desk does not say that it is halted."];
      else one.told = told;
    } catch (error) {
      const folder = desk.name && desk.get("state");
      [one.tone, one.text, one.failed] = ["bad", `Not done: ${error.message}. On the desk's machine: pitwire ${LINES[what]}${folder ? ` ${folder}` : ""}`, true];
    }
    this.tell();
  }

  // How it stands with each desk, until it has come to an end.
  tell() {
    for (const one of this.asked) if (one.told) [one.tone, one.text] = haltText(one);
    const tones = this.asked.map((one) => one.tone);
    mark(this.progress, "class", tones.includes("bad") ? "bad" : tones.includes("") ? "" : "done");
    write(this.progress, this.asked.map(({ desk, text }) => (desk.name ? `${desk.name}: ${text}` : text)).join("\n"));
  }

  // One order. The row tells what became of it; here only whether the desk took the request.
  async cancel(desk, id, button) {
    button.disabled = true;
    write(button, "Asked");
    let wrong = "";
    try { wrong = (await this.post({ do: "cancel", desk: desk.name, order: id }, desk)).error; } catch (error) { wrong = error.message; }
    setTimeout(() => { button.disabled = false; write(button, "Cancel"); }, 2000);
    if (wrong) { write(button, "Failed"); button.title = wrong; write($("alarm"), `Not cancelled: ${wrong}`); }
  }

  // The answer of the desk; throws when there is none, or it is none.
  async post(command, { live }) {
    const key = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");
    const answer = await fetch("/command", {
      method: "POST", body: JSON.stringify({ ...command, key, not_after: live.givenUpAt() }), signal: AbortSignal.timeout(live.patience),
      headers: { "X-Pitwire-Token": this.token, "Content-Type": "application/json" },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.trim() || `status ${answer.status}`);
    return JSON.parse(text);
  }
}

// What has become of a halt: the desk's answer, and from then on what its picture says.
function haltText({ desk, told, what }) {
  const lines = ["Halted: the desk has confirmed."];
  if (told.kept) lines.push(`It will not survive a restart: ${told.kept}`);
  const orders = desk.model.table("orders"), left = told.open.filter((id) => !orders.has(id) || orders.get(id).open);
  lines.push(left.length ? `${left.length} orders are not closed by the venue yet${told.reachable ? "" : ", and it could not be reached"}: ${left.join(", ")}` : "No order of ours is open.");
  let bad = left.length || told.kept;
  if (what === "flatten") {
    const seen = Object.entries(desk.get("closing") || {});
    const closing = seen.length ? seen : Object.entries(told.closing).map(([symbol, one]) => [symbol, [one.held, one.state, one.why]]);
    if (!closing.length) lines.push("No position was held.");
    for (const [symbol, [held, state, why]] of closing) lines.push(`${symbol}: ${state === "closed" ? "closed" : `${state}, ${held} held`}${why ? `: ${why}` : ""}`);
    bad = bad || closing.some(([, [, state]]) => state !== "closed");
  }
  return [bad ? "bad" : "done", lines.join("\n")];
}
