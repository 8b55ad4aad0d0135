// Halt, flatten, resume, cancel. Nothing is called done before the desk has said so.

import { $, write } from "./marks.js";

export class Commands {
  constructor(token, model, live) {
    this.token = token;
    this.model = model;
    this.live = live;
    this.word($("kill-word"), $("kill-do"), "HALT");
    this.word($("resume-word"), $("resume-do"), "RESUME");
    $("kill-open").onclick = () => this.openKill();
    $("resume-open").onclick = () => this.openResume();
    $("kill-close").onclick = () => $("kill").close();
    $("resume-close").onclick = () => $("resume").close();
    $("kill-do").onclick = () => this.act($("kill-flatten").checked ? "flatten" : "halt", $("kill-progress"), $("kill-do"));
    $("kill-flatten").onchange = () => this.show();
    $("resume-do").onclick = () => this.act("resume", $("resume-progress"), $("resume-do"));
  }

  get mayAct() { return this.live.rights === "control"; }

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
    this.told = null;
    $("kill-flatten").checked = false;
    this.show();
    $("kill-word").value = "";
    $("kill-do").disabled = true;
    write($("kill-progress"), this.mayAct ? "" : "This address may only look. Use the one for control, or the command line.");
    $("kill").showModal();
    $("kill-word").focus();
  }

  openResume() {
    write($("resume-what"), `The halt: ${this.model.table("desk").get("halted") || "–"}. Rules may send orders again at once.`);
    $("resume-word").value = "";
    $("resume-do").disabled = true;
    write($("resume-progress"), this.mayAct ? "" : "This address may only look.");
    $("resume").showModal();
    $("resume-word").focus();
  }

  // What a halt would do now, in numbers.
  show() {
    if (this.told && $("kill").open) { this.tellHalt(); return; } // what it would do is done: that stands as it was asked
    const open = [...this.model.table("orders").values()].filter((row) => row.open);
    const venues = this.model.table("venues").size || 1;
    const held = [...this.model.table("positions").values()].filter((row) => row[1] !== "flat").length;
    const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
    write($("kill-what"), `This will cancel ${count(open.length, "working order")} on ${count(venues, "venue")}, block new orders, and ${$("kill-flatten").checked ? "close" : "leave"} ${count(held, "position")} ${$("kill-flatten").checked ? "at the market" : "open"}. Only a person can resume.`);
  }

  watchOver(state, halted) {
    const cut = state === "disconnected";
    $("kill-open").hidden = !this.mayAct && !cut;
    $("kill-open").disabled = cut;
    const folder = this.model.table("desk").get("state");
    write($("kill-open"), cut ? `No connection: pitwire kill${folder ? " …" : ""}` : "Kill switch…");
    $("kill-open").title = cut ? `On the desk's machine: pitwire kill${folder ? ` ${folder}` : ""}` : "Shift+K";
    $("resume-open").hidden = !halted || cut || !this.mayAct;
  }

  async act(what, progress, button) {
    this.busy = true;
    button.disabled = true;
    progress.className = "";
    write(progress, "Asked; waiting for the desk …");
    try {
      const told = await this.post({ do: what, reason: what === "resume" ? "" : $("kill-reason").value });
      this.tell(what, told, progress);
    } catch (error) {
      progress.className = "bad";
      write(progress, `Not done: ${error.message}. On the desk's machine: pitwire ${{ halt: "kill", flatten: "kill --flatten", resume: "resume" }[what]}`);
      button.disabled = false;
    }
    this.busy = false;
  }

  tell(what, told, progress) {
    if (told.error) { progress.className = "bad"; write(progress, `The desk says: ${told.error}`); return; }
    if (what === "resume") {
      progress.className = told.halted ? "bad" : "done";
      write(progress, told.halted ? `Still halted: ${told.halted}` : "Resumed: the desk has confirmed.");
      return;
    }
    if (!told.halted) { progress.className = "bad"; write(progress, "The desk does not say that it is halted."); return; }
    this.told = told;
    this.flattens = what === "flatten";
    this.tellHalt();
  }

  // What has become of a halt: the desk's answer, and from then on what its picture says.
  tellHalt() {
    const told = this.told, progress = $("kill-progress"), desk = this.model.table("desk");
    const lines = ["Halted: the desk has confirmed."];
    if (told.kept) lines.push(`It will not survive a restart: ${told.kept}`);
    const orders = this.model.table("orders"), left = told.open.filter((id) => !orders.has(id) || orders.get(id).open);
    lines.push(left.length ? `${left.length} orders are not closed by the venue yet${told.reachable ? "" : ", and it could not be reached"}: ${left.join(", ")}` : "No order of ours is open.");
    let bad = left.length || told.kept;
    if (this.flattens) {
      const seen = Object.entries(desk.get("closing") || {});
      const closing = seen.length ? seen : Object.entries(told.closing).map(([symbol, one]) => [symbol, [one.held, one.state, one.why]]);
      if (!closing.length) lines.push("No position was held.");
      for (const [symbol, [held, state, why]] of closing) lines.push(`${symbol}: ${state === "closed" ? "closed" : `${state}, ${held} held`}${why ? `: ${why}` : ""}`);
      bad = bad || closing.some(([, [, state]]) => state !== "closed");
    }
    progress.className = bad ? "bad" : "done";
    write(progress, lines.join("\n"));
  }

  // One order. The row tells what became of it; here only whether the desk took the request.
  async cancel(id, button) {
    button.disabled = true;
    write(button, "Asked");
    let wrong = "";
    try { wrong = (await this.post({ do: "cancel", order: id })).error; } catch (error) { wrong = error.message; }
    setTimeout(() => { button.disabled = false; write(button, "Cancel"); }, 2000);
    if (wrong) { write(button, "Failed"); button.title = wrong; write($("alarm"), `Not cancelled: ${wrong}`); }
  }

  // The answer of the desk; throws when there is none, or it is none.
  async post(command) {
    const key = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");
    const answer = await fetch("/command", {
      method: "POST", body: JSON.stringify({ ...command, key, not_after: this.live.givenUpAt() }), signal: AbortSignal.timeout(this.live.patience),
      headers: { "X-Pitwire-Token": this.token, "Content-Type": "application/json" },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.trim() || `status ${answer.status}`);
    return JSON.parse(text);
  }
}
