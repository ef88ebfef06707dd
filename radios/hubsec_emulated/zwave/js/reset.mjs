// Makes a running server forget what its last user began or provisioned, as any client of it can.
import { require } from "./lib.mjs";
import { sleep } from "./frames.mjs";

const WITHIN_MS = 20_000;
const LOOK_MS = 50;
const CONTROLLER = 1; // its node id
const CANCELED = 6; // KEX fail: bootstrapping canceled
const DEAD = 3; // node status
const NOT_BEGUN = 0; // interview stage

export class Client {
  #socket;
  #last = 0;
  #waiting = new Map();

  static async open(port) {
    const WebSocket = require("ws");
    const client = new Client();
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    client.#socket = socket;
    const version = await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("message", (data) => resolve(JSON.parse(data)));
    });
    socket.on("message", (data) => client.#hear(JSON.parse(data)));
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => client.#waiting.forEach(({ reject }) => reject(new Error("The server closed."))));
    await client.command("initialize", { schemaVersion: version.maxSchemaVersion });
    return client;
  }

  #hear(message) {
    if (message.type !== "result") return;
    const waiting = this.#waiting.get(message.messageId);
    this.#waiting.delete(message.messageId);
    if (message.success) waiting?.resolve(message.result);
    else waiting?.reject(new Error(`${waiting.command}: ${message.errorCode} ${message.zwaveErrorMessage ?? ""}`));
  }

  command(command, more = {}) {
    const messageId = String((this.#last += 1));
    const answered = new Promise((resolve, reject) => {
      this.#waiting.set(messageId, { command, resolve, reject });
      setTimeout(() => reject(new Error(`${command} was not answered.`)), WITHIN_MS).unref();
    });
    this.#socket.send(JSON.stringify({ messageId, command, ...more }));
    return answered;
  }

  close() {
    this.#socket.terminate();
  }
}

// Ends inclusion and exclusion, empties the provisioning list, and hands over to `removeNodes`; then looks whether the
// controller alone is left. Nobody is removed from an interview: the driver would go on with it, and ask whoever gets
// the same node id next.
export async function resetServer(port, settle, removeNodes) {
  const client = await Client.open(port);
  try {
    await client.command("controller.cancel_secure_bootstrap_s2", { reason: CANCELED });
    await client.command("controller.stop_inclusion");
    await client.command("controller.stop_exclusion");
    const { entries } = await client.command("controller.get_provisioning_entries");
    for (const { dsk } of entries) {
      await client.command("controller.unprovision_smart_start_node", { dskOrNodeId: dsk });
    }
    const deadline = performance.now() + WITHIN_MS;
    await settle();
    while ((await nodes(client)).some(isInterviewed)) {
      if (performance.now() > deadline) throw new Error("The server goes on interviewing.");
      await sleep(LOOK_MS);
      await settle();
    }
    await removeNodes();
    const left = (await nodes(client)).map(({ nodeId }) => nodeId);
    if (left.length > 0) throw new Error(`The server still has nodes ${left.join(", ")}.`);
  } finally {
    client.close();
  }
}

async function nodes(client) {
  const { state } = await client.command("start_listening");
  return state.nodes.filter(({ nodeId }) => nodeId !== CONTROLLER);
}

// One that is not ready, and has got beyond the first stage: the driver does not interview what it refused a key.
const isInterviewed = ({ ready, status, interviewStage }) => !ready && status !== DEAD && interviewStage > NOT_BEGUN;
