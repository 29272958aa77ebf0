// Where audio comes from: the microphone, or a file. Both give Float32Array pieces at their `rate`.

import { CHUNK_MS, UNREACHABLE, chunkSamples } from "./recogniser.js";

const MOST_HZ = 48000; // that a server takes
const LONGEST_FILE_BYTES = 512 * 1024 * 1024;

export class SourceError extends Error {}

export class Microphone {
  // Rejects with a SourceError that says what to do.
  static async open(rate) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new SourceError(
        "The browser gives the microphone only to pages from localhost or over https://. " +
        "Open this page that way, or use an audio file.",
      );
    }
    const microphone = new Microphone();
    try {
      microphone._stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
      });
    } catch (error) {
      throw new SourceError(whyNoMicrophone(error));
    }
    try {
      await microphone._connect(rate);
    } catch (error) {
      microphone.close();
      if (error instanceof SourceError) throw error;
      throw new SourceError(`The microphone cannot be read (${error.message}).`);
    }
    return microphone;
  }

  start(onSamples) {
    this._node.port.onmessage = (event) => onSamples(event.data);
  }

  close() {
    if (this._node) this._node.port.onmessage = null;
    for (const track of this._stream.getTracks()) track.stop();
    this._context?.close();
  }

  // Some browsers read a microphone only at its own rate: then that rate is used and sent.
  async _connect(rate) {
    this._context = new AudioContext({ sampleRate: rate });
    let input;
    try {
      input = this._context.createMediaStreamSource(this._stream);
    } catch {
      await this._context.close();
      this._context = new AudioContext();
      input = this._context.createMediaStreamSource(this._stream);
    }
    this.rate = this._context.sampleRate;
    if (this.rate > MOST_HZ) {
      throw new SourceError(
        `This microphone runs at ${this.rate / 1000} kHz, and 48 is the most that can be sent. `
        + "Set it to 48 kHz in the system's settings, or use another browser.",
      );
    }
    try {
      await this._context.audioWorklet.addModule("/console/capture-worklet.js");
    } catch {
      throw new SourceError(UNREACHABLE);
    }
    this._node = new AudioWorkletNode(this._context, "capture", { numberOfOutputs: 0 });
    input.connect(this._node);
    await this._context.resume();
  }
}

function whyNoMicrophone(error) {
  if (error.name === "NotAllowedError") {
    return "The microphone is blocked. Allow it for this page in the browser, then start again.";
  }
  if (error.name === "NotFoundError") {
    return "There is no microphone. Plug one in, or use an audio file.";
  }
  if (error.name === "NotReadableError") {
    return "Another program is using the microphone. Close it, then start again.";
  }
  return `The microphone cannot be opened (${error.message}).`;
}

// A file's audio as one channel at `rate`; rejects with a SourceError.
export async function decodeFile(file, rate) {
  if (file.size > LONGEST_FILE_BYTES) {
    throw new SourceError("The file is larger than 512 MB. Cut it, or use the command line.");
  }
  try {
    const context = new OfflineAudioContext(1, 1, rate); // decoding resamples to its rate
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    return mixed(decoded);
  } catch {
    throw new SourceError(`The browser cannot read ${file.name} as audio. Try WAV, MP3, FLAC or OGG.`);
  }
}

function mixed(decoded) {
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
    const data = decoded.getChannelData(channel);
    for (let i = 0; i < samples.length; i += 1) samples[i] += data[i] / decoded.numberOfChannels;
  }
  return samples;
}

// Gives a file's samples to `onSamples` chunk by chunk, at the pace of speech or as fast as
// `drained` allows, for as long as `goesOn()`.
export async function play(samples, rate, pace, { onSamples, drained, goesOn }) {
  const size = chunkSamples(rate);
  const startedAt = performance.now();
  for (let begin = 0, number = 1; begin < samples.length && goesOn(); begin += size, number += 1) {
    const dueIn = startedAt + number * CHUNK_MS - performance.now();
    if (pace === "spoken" && dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn));
    if (pace === "fast") await drained();
    if (!goesOn()) return;
    onSamples(samples.subarray(begin, begin + size));
  }
}
