// Runs in the audio thread: hands the microphone's samples to the page, all channels mixed.

class Capture extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length > 0) {
      const mixed = new Float32Array(channels[0].length);
      for (const channel of channels) {
        for (let i = 0; i < mixed.length; i += 1) mixed[i] += channel[i] / channels.length;
      }
      this.port.postMessage(mixed, [mixed.buffer]);
    }
    return true;
  }
}

registerProcessor("capture", Capture);
