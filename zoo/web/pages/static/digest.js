// SHA-256 a piece at a time (FIPS 180-4): what browsers have takes a whole file into memory.
"use strict";

const [FIRST, ROUNDS] = (() => {
  // The first 32 bits behind the point of the square roots of 8 primes, of the cube roots of 64.
  const primes = [];
  for (let number = 2; primes.length < 64; number += 1) if (primes.every((one) => number % one)) primes.push(number);
  const fraction = (root) => ((root % 1) * 2 ** 32) | 0;
  return [primes.slice(0, 8).map((one) => fraction(Math.sqrt(one))), Int32Array.from(primes, (one) => fraction(Math.cbrt(one)))];
})();

class Digest {
  constructor() {
    this.state = Int32Array.from(FIRST);
    this.words = new Int32Array(64);
    this.rest = new Uint8Array(64); // less than a block, until more comes
    this.kept = 0;
    this.length = 0;
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.kept) {
      at = Math.min(64 - this.kept, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.kept);
      this.kept += at;
      if (this.kept < 64) return;
      this.compress(this.rest, 0);
      this.kept = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.compress(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.kept = bytes.length - at;
  }

  hex() {
    const bits = this.length * 8;
    const tail = new Uint8Array((this.kept < 56 ? 64 : 128) - this.kept);
    tail[0] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(tail.length - 4, bits >>> 0);
    this.update(tail);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  // Every sum is cut to 32 bits at once: so engines compute with whole numbers throughout.
  compress(bytes, at) {
    const w = this.words, state = this.state;
    for (let t = 0; t < 16; t += 1, at += 4) w[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let t = 16; t < 64; t += 1) {
      const x = w[t - 15], y = w[t - 2];
      const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (((w[t - 16] + low) | 0) + ((w[t - 7] + high) | 0)) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let t = 0; t < 64; t += 1) {
      const high = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const chosen = (e & f) ^ (~e & g);
      const one = (((((h + high) | 0) + chosen) | 0) + ((ROUNDS[t] + w[t]) | 0)) | 0;
      const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] = (state[0] + a) | 0;
    state[1] = (state[1] + b) | 0;
    state[2] = (state[2] + c) | 0;
    state[3] = (state[3] + d) | 0;
    state[4] = (state[4] + e) | 0;
    state[5] = (state[5] + f) | 0;
    state[6] = (state[6] + g) | 0;
    state[7] = (state[7] + h) | 0;
  }
}
