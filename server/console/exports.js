// A transcript as text, JSON and SubRip subtitles. Pure.
//
// The subtitles follow the measures that subtitlers commonly work by: two lines of 42 characters,
// at most seven seconds, and at least one second where there is room before the next.

const LINE_CHARS = 42;
const LINES = 2;
const LONGEST_MS = 7000;
const SHORTEST_MS = 1000;
const PAUSE_MS = 1000;

export function toText(utterances) {
  return utterances.map((utterance) => `${utterance.text}\n`).join("");
}

export function toJson(utterances, settings) {
  const shown = utterances.map(({ text, confidence, words }) => ({
    text,
    confidence,
    start: words[0].start,
    end: words[words.length - 1].end,
    words: words.map(({ text: word, confidence: sure, start, end }) => (
      { text: word, confidence: sure, start, end }
    )),
  }));
  return `${JSON.stringify({ sampleRate: settings.rate, text2int: settings.digits, utterances: shown }, null, 2)}\n`;
}

export function toSrt(utterances) {
  const cues = utterances.flatMap((utterance) => cuesOf(utterance.words));
  return cues.map((cue, index) => {
    const next = cues[index + 1];
    let readable = cue[0].start + SHORTEST_MS;
    if (next) readable = Math.min(readable, next[0].start);
    const end = Math.max(cue[cue.length - 1].end, readable);
    return `${index + 1}\n${stamp(cue[0].start)} --> ${stamp(end)}\n${lines(cue).join("\n")}\n`;
  }).join("\n");
}

function cuesOf(words) {
  const cues = [];
  let cue = [];
  for (const word of words) {
    const last = cue[cue.length - 1];
    const isFull = last && (
      lines([...cue, word]).length > LINES
      || word.end - cue[0].start > LONGEST_MS
      || word.start - last.end >= PAUSE_MS
    );
    if (isFull) {
      cues.push(cue);
      cue = [];
    }
    cue.push(word);
  }
  if (cue.length > 0) cues.push(cue);
  return cues;
}

function lines(cue) {
  const found = [];
  for (const { text } of cue) {
    const line = found[found.length - 1];
    if (line !== undefined && line.length + 1 + text.length <= LINE_CHARS) {
      found[found.length - 1] = `${line} ${text}`;
    } else {
      found.push(text);
    }
  }
  return found;
}

function stamp(ms) {
  const two = (value) => String(value).padStart(2, "0");
  const seconds = Math.floor(ms / 1000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${clock.map(two).join(":")},${String(ms % 1000).padStart(3, "0")}`;
}
