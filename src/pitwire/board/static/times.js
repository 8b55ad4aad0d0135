// Times in the zone the trader chose, always labelled.

const ZONES = ["UTC", "local", "exchange"];

export const zone = {
  name: localStorage.getItem("zone") || "UTC",
  milliseconds: localStorage.getItem("milliseconds") === "1",
  next() {
    this.name = ZONES[(ZONES.indexOf(this.name) + 1) % ZONES.length];
    localStorage.setItem("zone", this.name);
  },
  flip() {
    this.milliseconds = !this.milliseconds;
    localStorage.setItem("milliseconds", this.milliseconds ? "1" : "0");
  },
  // Crypto venues keep UTC.
  get label() { return this.name === "exchange" ? "exch. (UTC)" : this.name; },
};

const two = (number) => String(number).padStart(2, "0");

export function clock(ms, milliseconds) {
  if (!ms) return "–";
  const at = new Date(ms), local = zone.name === "local";
  const parts = local ? [at.getHours(), at.getMinutes(), at.getSeconds()] : [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()];
  const text = parts.map(two).join(":");
  return milliseconds ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

export function day(ms) {
  if (!ms) return "";
  const at = new Date(ms);
  if (zone.name !== "local") return `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms, true)} local`;
}
