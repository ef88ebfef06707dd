// The mock controller, with what a stick does and it does not: a node that is silent or gone is not acknowledged, a
// host that is gone is not waited for, nothing is kept, and a mistake is told instead of ending the air.
import { MockController, MockZWaveFrameType } from "./lib.mjs";
import { sleep } from "./frames.mjs";

const NO_ACK_MS = 100; // a stick tries several routes first, which takes seconds; tests needn't wait for that
const UNDECODABLE = {}; // what a node makes of a frame that it has no keys for: it is acknowledged, and that is all

export class Controller extends MockController {
  connected = () => true; // whether a host is there
  fault = () => {};

  async serialOnData(data) {
    try {
      await super.serialOnData(data);
    } catch (error) {
      this.fault(error);
    } finally {
      this.clearReceivedHostMessages();
    }
  }

  // Another host has come: nothing is under way for the one before.
  forgetHost() {
    this.state.clear();
    for (const expected of this.expectedHostACKs.splice(0)) expected.resolve();
  }

  async expectHostACK(timeout) {
    if (!this.connected()) return;
    try {
      await super.expectHostACK(timeout);
    } catch {
      // a host that is paused or busy: the stick sends on
    }
  }

  async sendMessageToHost(message, node) {
    if (!this.connected()) return;
    await super.sendMessageToHost(message, node);
    if (node && message.serializedCC) node.heard(message.serializedCC);
  }

  async sendToHost(data) {
    if (this.connected()) await super.sendToHost(data);
  }

  sendToNode(node, frame) {
    const delivered = this.#deliver(node, frame);
    delivered.catch(() => {}); // not every caller waits for the acknowledgement
    return delivered;
  }

  async #deliver(node, frame) {
    if (node?.powered) return super.sendToNode(node, { ...frame, payload: decodable(frame.payload) });
    if (frame.type === MockZWaveFrameType.Request && frame.ackRequested) {
      await sleep(NO_ACK_MS);
      throw new Error("The node did not acknowledge.");
    }
  }
}

function decodable(payload) {
  if (typeof payload !== "function") return payload;
  return async () => {
    try {
      return await payload();
    } catch {
      return UNDECODABLE;
    }
  };
}
