// The network: the stick, its devices, and what happens to them when Python says so.
import {
  MockPort,
  SecurityClass,
  SerialAPIParser,
  FunctionType,
  ZWaveSerialFrameType,
  createDefaultMockControllerBehaviors,
  getDefaultSupportedFunctionTypes,
} from "./lib.mjs";
import { writeCache } from "./cache.mjs";
import { Attacker } from "./attacker.mjs";
import { Chip } from "./chip.mjs";
import { Controller } from "./controller.mjs";
import { Device } from "./device.mjs";
import { fault, say } from "./control.mjs";
import { bytes, hex, sleep } from "./frames.mjs";

const QUIET_MS = 60; // without a frame, for the network to count as settled
const SETTLED_WITHIN_MS = 60_000;
const LOOK_MS = 10;
const IDLE = 0; // the mock controller's communication state

export class Network {
  #devices = new Map();
  #recording = false;
  #lastFrame = 0;

  static async open({ port, homeId, keys, scale, txDelay }) {
    const network = new Network();
    const mockPort = new MockPort();
    const controller = new Controller({
      mockPort,
      homeId,
      ownNodeId: 1,
      capabilities: {
        supportedFunctionTypes: [
          ...getDefaultSupportedFunctionTypes(),
          FunctionType.IsFailedNode,
          FunctionType.RemoveFailedNode,
          FunctionType.ReplaceFailedNode,
        ],
      },
    });
    controller.fault = fault;
    controller.connected = () => port.connected;
    controller.defineBehavior(...createDefaultMockControllerBehaviors());
    network.controller = controller;
    network.keys = new Map(Object.entries(keys).map(([name, key]) => [SecurityClass[name], bytes(key)]));
    network.timing = { scale, txDelay };
    network.chip = new Chip(controller);
    network.attacker = new Attacker(controller);
    await port.attach(mockPort, {
      Parser: SerialAPIParser,
      serialApi: ZWaveSerialFrameType.SerialAPI,
      tap: (fromHost, data) => network.#tap(fromHost, data),
      hostChanged: () => {
        network.chip.reset();
        controller.forgetHost();
      },
    });
    return network;
  }

  #tap(fromHost, data) {
    this.#lastFrame = performance.now();
    if (this.#recording) say("frame", { fromHost, data: hex(data) });
  }

  record(on) {
    this.#recording = on;
  }

  tune(timing) {
    this.timing = timing;
  }

  async add({ included, keys, ...options }) {
    const asBytes = Object.fromEntries(
      ["privateKey", "publicKey", "nwi", "auth"].map((name) => [name, bytes(options[name])]),
    );
    const device = new Device(this.chip, { ...options, ...asBytes, ...this.timing }, say);
    this.#devices.set(device.name, device);
    this.chip.devices.push(device);
    if (!included) return;
    device.powered = true;
    await this.chip.adopt(device);
    await device.hold(new Map(keys.map((name) => [SecurityClass[name], this.keys.get(SecurityClass[name])])));
  }

  // Writes what a server would know of the nodes that there are.
  remember(folder) {
    const nodes = [...this.#devices.values()].filter(({ node }) => node !== undefined);
    writeCache(folder, this.controller.homeId, nodes);
  }

  device(name) {
    return this.#devices.get(name);
  }

  // A device that belongs to the network, for what needs a node id.
  node(name) {
    const device = this.device(name);
    if (device.node === undefined) throw new Error(`${name} is not on the network.`);
    return device;
  }

  // Resolves when nothing has crossed the line for a moment, no device is exchanging keys, and no command of the host's
  // waits for an acknowledgement.
  async settle() {
    const sending = () => (this.controller.state.get("communicationState") ?? IDLE) !== IDLE;
    const busy = () =>
      performance.now() - this.#lastFrame < QUIET_MS || sending() || [...this.#devices.values()].some((one) => one.busy);
    const deadline = performance.now() + SETTLED_WITHIN_MS;
    do {
      await sleep(LOOK_MS);
      if (performance.now() > deadline) throw new Error("The network does not come to rest.");
    } while (busy());
  }

  // An empty house again. The host hears of each node that it was removed.
  async clear() {
    this.#recording = false;
    for (const device of this.#devices.values()) {
      device.powerOff();
      await this.chip.drop(device);
    }
    for (const nodeId of this.controller.nodes.keys()) await this.chip.dropId(nodeId);
    this.#devices.clear();
    this.chip.devices.length = 0;
    this.chip.forgetIds();
  }
}
