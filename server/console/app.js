// The console: what the buttons do, and what is shown of the stream that they start.

import { toJson, toSrt, toText } from "./exports.js";
import { duration, latency, percent } from "./format.js";
import { Clock } from "./latency.js";
import { Chunker, toPcm } from "./pcm.js";
import { Recogniser, address, chunkSamples } from "./recogniser.js";
import { Microphone, SourceError, decodeFile, play } from "./sources.js";
import { Transcript } from "./transcript.js";
import { Wave } from "./wave.js";

const byId = (id) => document.getElementById(id);
const FIGURES_EVERY_MS = 200;

const transcript = new Transcript(byId("transcript"));
const wave = new Wave(byId("wave"), {
  level: byId("level"), fill: byId("level-fill"), text: byId("level-text"),
});
let stream = null; // what runs now: { settings, recogniser, clock, source, stop }
let transcriptMs = 0; // length of the streams that have ended
let figuresShownAt = 0;

// -- a stream, from start to end

function settings() {
  return {
    rate: Number(byId("rate").value),
    digits: byId("digits").checked,
    pace: byId("pace").value,
    key: byId("key").value.trim(),
  };
}

async function speak() {
  if (stream) {
    stream.stop();
    return;
  }
  const chosen = settings();
  const started = begin(chosen, "microphone");
  let microphone;
  try {
    microphone = await Microphone.open(chosen.rate);
  } catch (error) {
    fail(started, error);
    return;
  }
  if (stream !== started) {
    microphone.close(); // stopped while the browser asked for permission
    return;
  }
  chosen.rate = microphone.rate;
  const chunker = new Chunker(chunkSamples(chosen.rate), (samples) => sendChunk(started, samples));
  connect(started, () => {
    say("live", "Listening");
    microphone.start((samples) => {
      wave.feed(samples, chosen.rate);
      chunker.feed(samples);
    });
  });
  started.release = () => {
    microphone.close();
    chunker.flush();
  };
}

async function hear(file) {
  if (stream) return;
  const chosen = settings();
  const started = begin(chosen, "file");
  say("busy", `Reading ${file.name}`);
  let samples;
  try {
    samples = await decodeFile(file, chosen.rate);
  } catch (error) {
    fail(started, error);
    return;
  }
  if (stream !== started) return;
  connect(started, async () => {
    say("live", `Playing ${file.name}`);
    await play(samples, chosen.rate, chosen.pace, {
      onSamples: (chunk) => {
        wave.feed(chunk, chosen.rate);
        sendChunk(started, chunk);
      },
      drained: () => started.recogniser.drained(),
      goesOn: () => started.recogniser.isOpen,
    });
    started.stop();
  });
}

function begin(chosen, kind) {
  notice("");
  say("busy", kind === "microphone" ? "Opening the microphone" : "Opening the file");
  stream = { settings: chosen, kind, recogniser: null, clock: new Clock(), release: () => {} };
  stream.stop = stopper(stream);
  showControls();
  return stream;
}

function connect(started, onReady) {
  say("busy", "Connecting");
  transcript.beginStream(transcriptMs);
  started.recogniser = new Recogniser(started.settings, {
    ready: onReady,
    hypothesis: (message) => showHypothesis(started, message),
    waiting: (isWaiting) => showWaiting(started, isWaiting),
    notice,
    closed: (how) => ended(started, how),
  });
}

function showWaiting(started, isWaiting) {
  if (isWaiting) say("busy", "Connecting again");
  else if (started.recogniser.stoppedAt) say("busy", "Finishing");
  else say("live", started.kind === "microphone" ? "Listening" : "Playing");
}

function stopper(started) {
  return () => {
    started.release();
    started.release = () => {};
    wave.rest();
    if (started.recogniser === null) {
      ended(started, { expected: true, reason: "" });
      return;
    }
    say("busy", "Finishing");
    started.recogniser.finish();
    showControls();
  };
}

function sendChunk(started, samples) {
  const { recogniser, clock, settings: { rate } } = started;
  recogniser.send(toPcm(samples));
  clock.sent((recogniser.sentSamples / rate) * 1000, performance.now());
  showFigures();
}

function ended(started, { expected, reason }) {
  if (stream !== started) return;
  started.release();
  wave.rest();
  transcript.abandonOpen();
  if (started.recogniser) {
    transcriptMs += Math.round((started.recogniser.sentSamples / started.settings.rate) * 1000);
  }
  showFigures(true);
  stream = null;
  showControls();
  say(expected ? "done" : "idle", expected ? "Finished" : "Stopped");
  if (reason) notice(reason);
}

function fail(started, error) {
  if (!(error instanceof SourceError)) throw error;
  if (stream !== started) return; // stopped while the browser asked for permission
  stream = null;
  showControls();
  say("idle", "Ready when you are");
  notice(error.message);
}

// -- what is shown

function showHypothesis(started, message) {
  const now = performance.now();
  transcript.show(message);
  const last = message.words[message.words.length - 1];
  const { stoppedAt } = started.recogniser;
  if (last && !(started.kind === "file" && started.settings.pace === "fast")) {
    const waited = started.clock.since(last.end, now);
    if (waited !== null) byId("figure-latency").textContent = latency(waited);
  }
  const answersStop = message.isFinal && stoppedAt !== null && (last || !started.isAnswered);
  if (answersStop) {
    started.isAnswered = true;
    byId("figure-final").textContent = latency(now - stoppedAt);
  }
  showFigures(true);
  showControls();
}

function showFigures(now = false) {
  if (!now && performance.now() - figuresShownAt < FIGURES_EVERY_MS) return;
  figuresShownAt = performance.now();
  const sent = stream?.recogniser
    ? (stream.recogniser.sentSamples / stream.settings.rate) * 1000
    : 0;
  byId("figure-audio").textContent = duration(transcriptMs + sent);
  const words = transcript.utterances.flatMap((utterance) => utterance.words);
  byId("figure-words").textContent = String(words.length);
  byId("figure-confidence").textContent = words.length === 0
    ? "–"
    : percent(words.reduce((sum, word) => sum + word.confidence, 0) / words.length);
}

function showControls() {
  const isSpeaking = stream?.kind === "microphone";
  const isFinishing = Boolean(stream?.recogniser?.stoppedAt);
  byId("microphone").setAttribute("aria-pressed", String(stream !== null));
  byId("microphone").disabled = isFinishing;
  byId("microphone-label").textContent = !stream ? "Start microphone" : isSpeaking ? "Stop" : "Stop file";
  byId("open-file").disabled = stream !== null;
  byId("settings-fields").disabled = stream !== null;
  byId("url").textContent = address({ ...(stream?.settings ?? settings()), key: "" });
  const isEmpty = transcript.utterances.length === 0;
  for (const id of ["copy", "save-text", "save-json", "save-srt"]) byId(id).disabled = isEmpty;
  byId("clear").disabled = isEmpty || stream !== null;
}

function say(state, text) {
  byId("state").dataset.state = state;
  byId("state").textContent = text;
}

function notice(text) {
  byId("notice").hidden = text === "";
  byId("notice-text").textContent = text;
}

// -- what this tab remembers, and no longer than it is open: browsers may forbid even that

function remembered(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

function remember(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // then it is typed again after the next reload
  }
}

// -- taking it along

async function copy() {
  const text = toText(transcript.utterances);
  const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (isCopied || copyBySelection(text)) say("done", "Copied");
  else notice("The browser does not let this page copy. Download the text instead.");
}

// The old way, for pages that are neither from localhost nor over https.
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  byId("copy").focus();
  return isCopied;
}

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function clear() {
  transcript.clear();
  wave.clear();
  transcriptMs = 0;
  for (const id of ["figure-latency", "figure-final"]) byId(id).textContent = "–";
  showFigures(true);
  showControls();
  say("idle", "Ready when you are");
  byId("microphone").focus();
}

byId("microphone").addEventListener("click", speak);
byId("open-file").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) hear(file);
});
byId("copy").addEventListener("click", copy);
byId("save-text").addEventListener("click", () => (
  save("transcript.txt", "text/plain", toText(transcript.utterances))
));
byId("save-json").addEventListener("click", () => (
  save("transcript.json", "application/json", toJson(transcript.utterances, settings()))
));
byId("save-srt").addEventListener("click", () => (
  save("transcript.srt", "application/x-subrip", toSrt(transcript.utterances))
));
byId("clear").addEventListener("click", clear);
byId("notice-close").addEventListener("click", () => notice(""));
byId("settings").addEventListener("input", showControls);
byId("key").value = remembered("key");
byId("key").addEventListener("change", () => remember("key", byId("key").value.trim()));
byId("settings").addEventListener("submit", (event) => event.preventDefault());

const stage = byId("transcript");
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  stage.addEventListener(name, (event) => {
    event.preventDefault();
    stage.classList.toggle("dropping", name !== "drop" && name !== "dragleave" && !stream);
    if (name === "drop" && event.dataTransfer.files[0]) hear(event.dataTransfer.files[0]);
  });
}

showControls();

// Operators may have their pages at an address of their own; then there is no status here.
fetch("/status", { method: "HEAD" }).then((answer) => {
  byId("status-link").hidden = !answer.ok;
}, () => {});
