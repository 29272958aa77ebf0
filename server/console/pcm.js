// From the browser's floating-point audio to messages of 16-bit samples.

export function toPcm(samples) {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    const clipped = Math.max(-1, Math.min(1, samples[i]));
    pcm[i] = Math.round(clipped * 32767);
  }
  return pcm;
}

// Cuts audio that comes in pieces of any length into chunks of `size` samples.
export class Chunker {
  constructor(size, emit) {
    this._chunk = new Float32Array(size);
    this._filled = 0;
    this._emit = emit;
  }

  feed(samples) {
    let rest = samples;
    while (rest.length > 0) {
      const taken = rest.subarray(0, this._chunk.length - this._filled);
      this._chunk.set(taken, this._filled);
      this._filled += taken.length;
      rest = rest.subarray(taken.length);
      if (this._filled === this._chunk.length) this.flush();
    }
  }

  flush() {
    if (this._filled > 0) this._emit(this._chunk.slice(0, this._filled));
    this._filled = 0;
  }
}
