// The stick's part in inclusion, SmartStart, exclusion, replacement and removal (INS12350, "Network Management"), which
// the mock controller has not. Frames are taken before the mock sees them: its parser knows half of them only.
import { FunctionType } from "./lib.mjs";
import { REQUEST, RESPONSE, readFrame, serialFrame, sleep } from "./frames.mjs";

const LAST_NODE_ID = 232;
const STEP_MS = 5; // between two status reports of one inclusion
const NO_ACK_MS = 100;

const ADD = { any: [1, 2, 3, 4], stop: 5, stopReplication: 6, smartStart: 8, listen: 9 };
const ADD_STATUS = { ready: 1, nodeFound: 2, addingSlave: 3, protocolDone: 5, done: 6, failed: 7 };
const REMOVE = { any: [1, 2, 3], stop: 5 };
const REMOVE_STATUS = { ready: 1, nodeFound: 2, removingSlave: 3, done: 6, failed: 7 };
const FAILED_START = { ok: 0, notFound: 8 };
const FAILED_STATUS = { nodeOk: 0, removed: 1, replace: 3, replaceDone: 4 };
const TYPE_MASK = 0x0f;
const UPDATE = { smartStartPrime: 0x85, nodeRemoved: 0x20 };
const NODE_INFO_FAILED = 0x81;
const NO_ACK = 0x01;
const UNKNOWN_NODE = [0, 0, 0, 0, 0, 0]; // capabilities and device class of a node that there is not
const BROADCAST_RX = 0x00;

export class Chip {
  mode = "idle"; // or adding, smart-start, joining, removing, replacing
  listening = false; // for SmartStart primes
  devices = [];
  #controller;
  #callbackId = 0;
  #joined; // the device that came in and is not yet confirmed by the host
  #wanted; // NWI and auth home ID of the device that the host lets in
  #replaced;
  #lastId = 1;
  #primes = 0;

  constructor(controller) {
    this.#controller = controller;
    controller.defineBehavior({ onHostData: (_controller, data) => this.#take(data) });
  }

  // Leaves whatever it was doing.
  reset() {
    this.mode = "idle";
    this.listening = false;
    this.#joined = this.#wanted = this.#replaced = undefined;
  }

  forgetIds() {
    this.#lastId = 1;
  }

  // From the devices

  // A button was pressed; true when that was for the stick.
  pressed(device) {
    if (this.mode === "adding" && device.node === undefined) void this.#include(device);
    else if (this.mode === "replacing" && device.node === undefined) void this.#replace(device);
    else if (this.mode === "removing") void this.#exclude(device);
    else return false;
    return true;
  }

  // A device asks to be let in by SmartStart. Only a stick that listens tells its host.
  prime(device) {
    device.primed = ++this.#primes;
    if (!this.listening || this.mode !== "idle") return;
    const { basic, generic, specific, commandClasses } = device.nodeInformation();
    const information = [basic, generic, specific, ...commandClasses];
    this.#tell(FunctionType.ApplicationUpdateRequest, [
      ...[UPDATE.smartStartPrime, 0, BROADCAST_RX, ...device.nwi],
      ...[commandClasses.length, ...information],
    ]);
  }

  parted(device) {
    if (this.#joined === device) this.#joined = undefined;
  }

  // Takes a device in without a host: as one that was included long ago.
  async adopt(device) {
    const nodeId = this.nextId();
    await device.join(this.#controller, nodeId);
    return nodeId;
  }

  // Drops a node, and tells the host as if another controller had excluded it.
  async drop(device) {
    const nodeId = device.node?.id;
    device.factoryReset();
    if (nodeId !== undefined) await this.dropId(nodeId);
  }

  async dropId(nodeId) {
    this.#controller.nodes.delete(nodeId);
    await this.#tell(FunctionType.ApplicationUpdateRequest, [UPDATE.nodeRemoved, nodeId, 0]);
  }

  nextId() {
    for (let tried = 0; tried < LAST_NODE_ID; tried++) {
      this.#lastId = (this.#lastId % LAST_NODE_ID) + 1;
      if (this.#lastId !== this.#controller.ownNodeId && !this.#controller.nodes.has(this.#lastId)) return this.#lastId;
    }
    return undefined;
  }

  // From the host. True when the frame was for this and the mock is not to see it.

  async #take(data) {
    const frame = readFrame(data);
    if (frame === undefined || frame.type !== REQUEST) return false;
    const handle = this.#handlers[frame.functionType];
    if (handle === undefined || handle(frame.payload) === false) return false;
    return true;
  }

  #handlers = {
    [FunctionType.AddNodeToNetwork]: (payload) => this.#acknowledged(() => this.#add(payload)),
    [FunctionType.RemoveNodeFromNetwork]: (payload) => this.#acknowledged(() => this.#remove(payload)),
    [FunctionType.RemoveFailedNode]: (payload) => this.#acknowledged(() => this.#removeFailed(payload)),
    [FunctionType.ReplaceFailedNode]: (payload) => this.#acknowledged(() => this.#replaceFailed(payload)),
    [FunctionType.IsFailedNode]: ([nodeId]) =>
      this.#acknowledged(() => this.#respond(FunctionType.IsFailedNode, [this.#answers(nodeId) ? 0 : 1])),
    [FunctionType.GetNodeProtocolInfo]: ([nodeId]) =>
      nodeId === this.#controller.ownNodeId || this.#controller.nodes.has(nodeId)
        ? false
        : this.#acknowledged(() => this.#respond(FunctionType.GetNodeProtocolInfo, UNKNOWN_NODE)),
    [FunctionType.RequestNodeInfo]: ([nodeId]) =>
      this.#answers(nodeId) ? false : this.#acknowledged(() => this.#noNodeInfo()),
    [FunctionType.AssignSUCReturnRoute]: ([nodeId, callbackId]) =>
      this.#answers(nodeId) ? false : this.#acknowledged(() => this.#noRoute(FunctionType.AssignSUCReturnRoute, callbackId)),
    [FunctionType.DeleteSUCReturnRoute]: ([nodeId, callbackId]) =>
      this.#answers(nodeId) ? false : this.#acknowledged(() => this.#noRoute(FunctionType.DeleteSUCReturnRoute, callbackId)),
  };

  #acknowledged(then) {
    this.#controller.ackHostMessage();
    Promise.resolve(then()).catch((error) => this.#controller.fault(error));
  }

  async #add([type, callbackId, ...homeIds]) {
    const kind = type & TYPE_MASK;
    if (kind === ADD.listen) {
      this.listening = true;
    } else if (kind === ADD.stop || kind === ADD.stopReplication) {
      await this.#stopAdding(callbackId);
    } else if (this.mode !== "idle") {
      await this.#addStatus(callbackId, ADD_STATUS.failed);
    } else if (kind === ADD.smartStart) {
      this.#begin("smart-start", callbackId);
      this.#wanted = homeIds;
      await this.#addStatus(callbackId, ADD_STATUS.ready);
      await this.#letIn();
    } else if (ADD.any.includes(kind)) {
      this.#begin("adding", callbackId);
      await this.#addStatus(callbackId, ADD_STATUS.ready);
      const waiting = this.devices.find((device) => device.learning && device.node === undefined);
      if (waiting) await this.#include(waiting);
    }
  }

  #begin(mode, callbackId) {
    this.mode = mode;
    this.listening = false;
    this.#callbackId = callbackId;
    this.#joined = undefined;
  }

  async #stopAdding(callbackId) {
    const nodeId = this.#joined?.node?.id ?? 0;
    const wasIdle = this.mode === "idle";
    this.reset();
    if (callbackId) await this.#addStatus(callbackId, wasIdle ? ADD_STATUS.failed : ADD_STATUS.done, [nodeId]);
  }

  // Of all that asked under these home IDs the last one is let in. Who hears them on the air can ask under them, too.
  async #letIn() {
    const matches = (device) =>
      device.powered && device.priming && [...device.nwi, ...device.auth].every((byte, i) => byte === this.#wanted[i]);
    const asking = this.devices.filter(matches).sort((a, b) => a.primed - b.primed);
    const last = asking.at(-1);
    if (last) return this.#include(last, { smartStart: true });
    await sleep(NO_ACK_MS); // it was switched off meanwhile
    return this.#addStatus(this.#callbackId, ADD_STATUS.failed);
  }

  async #include(device, how) {
    const callbackId = this.#callbackId;
    this.mode = "joining";
    const nodeId = this.nextId();
    if (nodeId === undefined) {
      await this.#addStatus(callbackId, ADD_STATUS.failed);
      return;
    }
    await this.#addStatus(callbackId, ADD_STATUS.nodeFound);
    await sleep(STEP_MS);
    await this.#addStatus(callbackId, ADD_STATUS.addingSlave, this.#information(device, nodeId));
    await sleep(STEP_MS);
    if (this.mode !== "joining") return; // the host stopped it
    await device.join(this.#controller, nodeId, how);
    this.#joined = device;
    await this.#addStatus(callbackId, ADD_STATUS.protocolDone);
  }

  async #remove([type, callbackId]) {
    if ((type & TYPE_MASK) === REMOVE.stop) {
      const wasIdle = this.mode === "idle";
      this.reset();
      if (callbackId) await this.#removeStatus(callbackId, wasIdle ? REMOVE_STATUS.failed : REMOVE_STATUS.done);
    } else if (this.mode !== "idle") {
      await this.#removeStatus(callbackId, REMOVE_STATUS.failed);
    } else if (REMOVE.any.includes(type & TYPE_MASK)) {
      this.#begin("removing", callbackId);
      await this.#removeStatus(callbackId, REMOVE_STATUS.ready);
      const waiting = this.devices.find((device) => device.learning);
      if (waiting) await this.#exclude(waiting);
    }
  }

  // Any device may be excluded by any controller; one of no or another network is told with node 0.
  async #exclude(device) {
    const callbackId = this.#callbackId;
    const nodeId = device.node?.id ?? 0;
    this.mode = "leaving";
    await this.#removeStatus(callbackId, REMOVE_STATUS.nodeFound);
    await sleep(STEP_MS);
    await this.#removeStatus(callbackId, REMOVE_STATUS.removingSlave, this.#information(device, nodeId));
    await sleep(STEP_MS);
    this.#controller.nodes.delete(nodeId);
    device.factoryReset();
    await this.#removeStatus(callbackId, REMOVE_STATUS.done);
  }

  async #removeFailed([nodeId, callbackId]) {
    if (!this.#controller.nodes.has(nodeId)) {
      await this.#respond(FunctionType.RemoveFailedNode, [FAILED_START.notFound]);
      return;
    }
    await this.#respond(FunctionType.RemoveFailedNode, [FAILED_START.ok]);
    await sleep(NO_ACK_MS); // it is asked once more
    const answers = this.#answers(nodeId);
    if (!answers) this.#controller.nodes.delete(nodeId);
    const status = answers ? FAILED_STATUS.nodeOk : FAILED_STATUS.removed;
    await this.#tell(FunctionType.RemoveFailedNode, [callbackId, status]);
  }

  async #replaceFailed([nodeId, callbackId]) {
    if (!this.#controller.nodes.has(nodeId)) {
      await this.#respond(FunctionType.ReplaceFailedNode, [FAILED_START.notFound]);
      return;
    }
    await this.#respond(FunctionType.ReplaceFailedNode, [FAILED_START.ok]);
    await sleep(NO_ACK_MS);
    if (this.#answers(nodeId)) {
      await this.#tell(FunctionType.ReplaceFailedNode, [callbackId, FAILED_STATUS.nodeOk]);
      return;
    }
    this.#begin("replacing", callbackId);
    this.#replaced = nodeId;
    await this.#tell(FunctionType.ReplaceFailedNode, [callbackId, FAILED_STATUS.replace]);
    const waiting = this.devices.find((device) => device.learning && device.node === undefined);
    if (waiting) await this.#replace(waiting);
  }

  async #replace(device) {
    const nodeId = this.#replaced;
    const callbackId = this.#callbackId;
    this.reset();
    this.#controller.nodes.delete(nodeId);
    await device.join(this.#controller, nodeId);
    await this.#tell(FunctionType.ReplaceFailedNode, [callbackId, FAILED_STATUS.replaceDone]);
  }

  async #noNodeInfo() {
    await this.#respond(FunctionType.RequestNodeInfo, [1]);
    await sleep(NO_ACK_MS);
    await this.#tell(FunctionType.ApplicationUpdateRequest, [NODE_INFO_FAILED, 0, 0]);
  }

  async #noRoute(functionType, callbackId) {
    await this.#respond(functionType, [1]);
    await sleep(NO_ACK_MS);
    if (callbackId) await this.#tell(functionType, [callbackId, NO_ACK, 0, 0]);
  }

  #answers(nodeId) {
    return this.#controller.nodes.get(nodeId)?.powered === true;
  }

  #information(device, nodeId) {
    const { basic, generic, specific, commandClasses } = device.nodeInformation();
    return [nodeId, commandClasses.length + 3, basic, generic, specific, ...commandClasses];
  }

  #addStatus(callbackId, status, more = []) {
    return this.#tell(FunctionType.AddNodeToNetwork, [callbackId, status, ...more]);
  }

  #removeStatus(callbackId, status, more = []) {
    return this.#tell(FunctionType.RemoveNodeFromNetwork, [callbackId, status, ...more]);
  }

  async #tell(functionType, payload) {
    await this.#controller.sendToHost(serialFrame(REQUEST, functionType, payload));
  }

  async #respond(functionType, payload) {
    await this.#controller.sendToHost(serialFrame(RESPONSE, functionType, payload));
  }
}
