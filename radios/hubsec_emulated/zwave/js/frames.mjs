// Frames of the Serial API, as bytes (INS12350: start of frame, length, type, function, payload, checksum).

export const REQUEST = 0x00;
export const RESPONSE = 0x01;
const SOF = 0x01;

export function serialFrame(type, functionType, payload) {
  const body = [payload.length + 3, type, functionType, ...payload];
  return Uint8Array.from([SOF, ...body, body.reduce((sum, byte) => sum ^ byte, 0xff)]);
}

// What a whole frame holds; undefined for a single byte (ACK, NAK, CAN) and for what is no frame.
export function readFrame(data) {
  if (data.length < 5 || data[0] !== SOF || data[1] !== data.length - 2) return undefined;
  return { type: data[2], functionType: data[3], payload: data.subarray(4, -1) };
}

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
