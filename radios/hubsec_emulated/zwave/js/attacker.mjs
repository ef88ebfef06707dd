// An attacker on the air: frames that reach the stick under any node's id.
import { CommandClass, FunctionType, createMockZWaveRequestFrame } from "./lib.mjs";
import { REQUEST, serialFrame } from "./frames.mjs";

const SINGLECAST = 0x00;
const SECURITY_2 = 0x9f;
const [NONCE_GET, ENCAPSULATED] = [0x01, 0x03];
const DEVICE_RESET_LOCALLY = [0x5a, 0x01];
const SEQUENCE = 2; // where an S2 command has its sequence number

export class Attacker {
  #controller;

  constructor(controller) {
    this.#controller = controller;
  }

  // Puts a command on the air, as if node `source` had sent it.
  async inject(source, command) {
    const payload = [SINGLECAST, source, command.length, ...command];
    await this.#controller.sendToHost(serialFrame(REQUEST, FunctionType.ApplicationCommand, payload));
  }

  // Sends a device a command in plain text, under the controller's id.
  async command({ node }, command) {
    const parsed = await CommandClass.parse(Uint8Array.from(command), {
      sourceNodeId: this.#controller.ownNodeId,
      __internalIsMockNode: true,
      ...node.encodingContext,
      ...node.securityManagers,
      frameType: "singlecast",
    });
    await node.onControllerFrame(createMockZWaveRequestFrame(parsed, { ackRequested: false }));
  }

  // A report of the device's kind in plain text.
  async spoof({ node, kind }, value) {
    const report = kind.report(this.#controller.ownNodeId, value);
    await this.inject(node.id, await report.serialize(node.encodingContext));
  }

  // The last encrypted command of a node again: as it was, or under another sequence number.
  async replay({ name, node }, { fresh }) {
    const command = recorded(name, node);
    if (fresh) command[SEQUENCE] = unused(command[SEQUENCE]);
    await this.inject(node.id, command);
  }

  async badTag({ name, node }) {
    const command = recorded(name, node);
    command[SEQUENCE] = unused(command[SEQUENCE]);
    command[command.length - 1] ^= 0x01;
    await this.inject(node.id, command);
  }

  async reset({ node }) {
    await this.inject(node.id, DEVICE_RESET_LOCALLY);
  }

  async nonceFlood({ name, node }, count) {
    const first = unused(recorded(name, node)[SEQUENCE]);
    for (let sent = 0; sent < count; sent++) await this.inject(node.id, [SECURITY_2, NONCE_GET, (first + sent) & 0xff]);
  }
}

// Half a round away from the node's own: the host has not heard it lately, and the node will not say it soon. The host
// remembers the numbers of forged commands, too, and takes the node's next one for a duplicate if it is the same.
const unused = (sequence) => (sequence + 0x80) & 0xff;

function recorded(name, node) {
  if (node.lastSecure?.[0] !== SECURITY_2 || node.lastSecure[1] !== ENCAPSULATED) {
    throw new Error(`${name} has sent nothing under S2 yet that could be replayed.`);
  }
  return Uint8Array.from(node.lastSecure);
}
