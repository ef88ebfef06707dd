// A mock node that belongs to a device: silent while that is off, and without the mocks' record of every frame.
import { MockNode } from "./lib.mjs";

const SECURE = [
  [0x9f, 0x03], // Security 2, message encapsulation
  [0x98, 0x81], // Security, message encapsulation
];

export class Node extends MockNode {
  lastSecure; // bytes of the last encrypted command that reached the host, for whoever replays it

  constructor(options, device) {
    super(options);
    this.device = device;
    this.ecdhKeyPair = device.keyPair;
  }

  get powered() {
    return this.device.powered && this.device.node === this;
  }

  heard(bytes) {
    if (SECURE.some(([cc, command]) => bytes[0] === cc && bytes[1] === command)) this.lastSecure = bytes;
  }

  async onControllerFrame(frame) {
    if (!this.powered) return;
    try {
      await super.onControllerFrame(frame);
    } finally {
      this.clearReceivedControllerFrames();
      this.device.changed();
    }
  }

  async sendToController(frame) {
    if (!this.powered) return undefined;
    return super.sendToController({ ...frame, onTransmit: () => {} });
  }
}
