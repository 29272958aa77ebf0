// The status page: asks the server for its figures every two seconds and shows them.

import { latency, percent } from "./format.js";

const EVERY_MS = 2000;
const STAGES = [
  ["received_to_ringed", "Off the socket, into the ring"],
  ["ringed_to_staged", "In the ring, waiting for a turn"],
  ["staged_to_stepped", "In a step of the model"],
  ["stepped_to_decoded", "Beam search, wait included"],
  ["decoded_to_published", "Held for the second pass"],
  ["published_to_sent", "Result, to the client"],
  ["done_to_final", "Client says done, to its final"],
  ["second_pass", "Second pass hears an utterance"],
];
const byId = (id) => document.getElementById(id);
const whole = (number) => Math.round(number).toLocaleString("en");

async function refresh() {
  let status;
  try {
    status = await (await fetch("/status.json", { cache: "no-store" })).json();
  } catch {
    verdict("unknown", "The server does not answer", "This page asks again every two seconds.");
    return;
  }
  show(status);
}

function show({ ready, not_ready: reasons, slots, totals, stages, slowest_stage: slowest, processes, load, uptime_s: age }) {
  verdict(ready ? "ready" : "not", ready ? "Ready" : "Not ready", reasons.join("; "));
  byId("since").textContent = `Up for ${ageText(age)}`;

  const held = slots.total - slots.free;
  byId("streams-now").textContent = whole(held);
  byId("streams-total").textContent = whole(slots.total);
  byId("gauge").setAttribute("aria-valuemax", String(slots.total));
  byId("gauge").setAttribute("aria-valuenow", String(held));
  byId("gauge-fill").style.width = `${(100 * held) / slots.total}%`;
  rows("streams", [
    ["Admitted", whole(totals.admitted)],
    ["Refused, all in use", whole(totals.refused_full)],
    ["Refused, bad request", whole(totals.refused_request)],
  ]);

  byId("speed-now").textContent = load.real_time_factor === null ? "–" : percent(load.real_time_factor);
  rows("speed", [
    ["Windows in a batch", load.batch === null ? "–" : load.batch.toFixed(1)],
    ["Audio that waits, longest", `${load.longest_backlog_s.toFixed(1)} s`],
    ["Second pass, waiting", whole(load.second_pass_queue)],
  ]);

  byId("finals").textContent = whole(totals.finals);
  rows("results", [
    ["Partials", whole(totals.partials)],
    ["Audio heard", ageText(totals.audio_s)],
    ["Restarts", whole(totals.restarts)],
  ]);

  byId("slowest").textContent = slowest === null
    ? "" : `Slowest: ${new Map(STAGES).get(slowest.name).toLowerCase()}, ${seconds(slowest.mean_s)} at the mean`;
  fill("latency", STAGES.filter(([name]) => stages[name]).map(([name, label]) => {
    const { count, p50_s: half, p95_s: most, p99_s: nearly } = stages[name];
    return [label, seconds(half), seconds(most), seconds(nearly), whole(count)];
  }));
  fill("processes", processes.map((process) => [
    process.name, process.state, process.device ?? "–",
    { text: `${latency(process.heartbeat_age_ms)} ago`, state: process.is_recent ? "" : "stale" },
    whole(process.restarts),
  ]));
}

function verdict(state, text, reasons) {
  byId("lamp").dataset.state = state;
  if (byId("verdict").textContent !== text) byId("verdict").textContent = text;
  byId("reasons").textContent = reasons;
}

function rows(id, pairs) {
  byId(id).replaceChildren(...pairs.map(([name, value]) => {
    const row = document.createElement("div");
    row.append(cell("dt", name), cell("dd", value));
    return row;
  }));
}

function fill(id, table) {
  byId(id).replaceChildren(...table.map(([first, ...rest]) => {
    const row = document.createElement("tr");
    const head = cell("th", first);
    head.scope = "row";
    row.append(head, ...rest.map((value) => cell("td", value)));
    return row;
  }));
}

function cell(kind, value) {
  const found = document.createElement(kind);
  found.textContent = value.text ?? value;
  if (value.state) found.dataset.state = value.state;
  return found;
}

function seconds(value) {
  return value === null ? "–" : latency(value * 1000);
}

function ageText(total) {
  const minutes = Math.floor(total / 60);
  if (minutes < 1) return `${Math.round(total)} s`;
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

refresh();
setInterval(() => {
  if (!document.hidden) refresh();
}, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
