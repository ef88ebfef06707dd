// One device: who it is (its key pair), what it holds, its switch and its button. Its mock node exists only while it
// belongs to the network; what it is and was set to outlives that.
import {
  CommandClasses,
  Security2CC,
  SecurityCC,
  SecurityCCNonceGet,
  SecurityCCNonceReport,
  SecurityClass,
  SPANState,
  SecurityManager2,
  MockZWaveFrameType,
  PowerlevelCCSet,
  ZWaveProtocolCCNodeInformationFrame,
  ZWaveProtocolCCRequestNodeInformationFrame,
  createDefaultMockNodeBehaviors,
  createMockZWaveRequestFrame,
} from "./lib.mjs";
import { Bootstrapping, hold } from "./bootstrap.mjs";
import { enforcement } from "./enforce.mjs";
import { KINDS, commandClasses } from "./kinds.mjs";
import { Node } from "./node.mjs";
import { hex } from "./frames.mjs";

const LEARN_MS = 10_000; // how long a pressed button counts
const FIRST_PRIME_MS = 16_000; // after the one at power-on; doubled each time
const LAST_PRIME_MS = 512_000; // the longest interval between two, unless the QR code says otherwise
const NONCE_WITHIN_MS = 1_000;
const REPEATABLE_MS = 500; // how long after a report a nonce means that it was not understood
const READY_TO_SEND = new Set([SPANState.RemoteEI, SPANState.SPAN]);
const BASIC = 0x04; // Routing End Node
const RANKS = ["S2_AccessControl", "S2_Authenticated", "S2_Unauthenticated", "S0_Legacy"];

// Its transmitter's power: it takes any, and nobody hears the difference.
const POWERED = {
  handleCC: (_controller, _node, command) => (command instanceof PowerlevelCCSet ? { action: "ok" } : undefined),
};

export class Device {
  node;
  powered = false;
  learning = false; // its button was pressed a moment ago
  priming = false; // it asks to be let in by SmartStart
  joinedBySmartStart = false;
  keysHeld = new Map();
  #bootstrapping = new Bootstrapping(this);
  #learnTimer;
  #primeTimer;
  #state;
  #said;
  #lastSent;

  // `chip` is the controller's side of inclusion, `say` tells Python.
  constructor(chip, { name, kind, security, requests, privateKey, publicKey, dsk, nwi, auth, hostile, scale, txDelay }, say) {
    Object.assign(this, { chip, name, security, hostile, scale, txDelay, dsk, nwi, auth });
    this.kind = KINDS[kind];
    this.requests = requests.map((request) => SecurityClass[request]);
    this.keyPair = { privateKey, publicKey };
    this.say = say;
    this.#state = this.kind.initial;
  }

  get highest() {
    return RANKS.find((name) => this.keysHeld.has(SecurityClass[name]));
  }

  get state() {
    return this.#state;
  }

  get highestClass() {
    return SecurityClass[this.highest];
  }

  get busy() {
    return this.#bootstrapping.busy;
  }

  // The switch and the button

  powerOn() {
    if (this.powered) return;
    this.powered = true;
    this.changed();
    if (this.node === undefined && this.security === "s2") this.#prime(FIRST_PRIME_MS);
  }

  powerOff() {
    this.powered = false;
    this.#rest();
    this.#bootstrapping.stop();
    this.changed();
  }

  pressButton() {
    this.powered = true;
    this.learning = true;
    clearTimeout(this.#learnTimer);
    this.#learnTimer = setTimeout(() => (this.learning = false), LEARN_MS);
    this.changed();
    if (this.chip.pressed(this) || this.node === undefined) return;
    void this.#sendPlain(this.#information());
  }

  // Forgets the network without a word to it, as a pin in a hole does.
  factoryReset() {
    this.#rest();
    this.forget();
  }

  #rest() {
    this.learning = this.priming = false;
    clearTimeout(this.#learnTimer);
    clearTimeout(this.#primeTimer);
  }

  #prime(after) {
    this.priming = true;
    this.chip.prime(this);
    clearTimeout(this.#primeTimer);
    this.#primeTimer = setTimeout(() => {
      if (this.powered && this.node === undefined) this.#prime(Math.min(after * 2, LAST_PRIME_MS));
    }, after / this.scale);
  }

  // The network

  // Becomes a node of the network, without keys.
  async join(controller, nodeId, { smartStart = false } = {}) {
    this.#rest();
    this.keysHeld.clear();
    this.joinedBySmartStart = smartStart;
    const { generic, specific } = this.kind;
    const node = new Node(
      {
        id: nodeId,
        controller,
        capabilities: {
          manufacturerId: 0xffff,
          productType: 0x0001,
          productId: generic,
          basicDeviceClass: BASIC,
          genericDeviceClass: generic,
          specificDeviceClass: specific,
          supportsSecurity: this.security !== "none",
          txDelay: this.txDelay,
          commandClasses: commandClasses(this.kind, this.security, () => this.node),
          securityClasses: new Set(),
        },
      },
      this,
    );
    if (this.security === "s2" || this.security === "s0-requesting") {
      node.securityManagers.securityManager2 = await SecurityManager2.create();
    }
    node.state.set(this.kind.key, this.#state);
    node.defineBehavior(...createDefaultMockNodeBehaviors());
    node.defineBehavior(this.#bootstrapping, enforcement(this), this.#informing(), POWERED);
    this.node = node;
    controller.addNode(node);
    this.changed();
  }

  // Holds keys from the start, as one that was included long ago.
  async hold(keys) {
    await hold(this.node, keys);
    if (this.security === "s0") {
      // S0 alone: what S2 would have needed is not there
      this.node.securityManagers.securityManager2 = undefined;
    }
    this.keysHeld = keys;
    this.changed();
  }

  // Is no node any longer: its keys are gone, its state stays. The controller's table is not its business.
  forget() {
    this.#bootstrapping.stop();
    this.chip.parted(this);
    this.node = undefined;
    this.keysHeld.clear();
    this.changed();
  }

  secured(keys) {
    this.keysHeld = keys;
    this.changed();
  }

  // The host ended the key exchange. One that came by SmartStart leaves again and asks anew, unless it is hostile.
  refused() {
    if (!this.joinedBySmartStart || this.hostile) {
      this.changed();
      return;
    }
    this.forget();
    this.#prime(FIRST_PRIME_MS);
  }

  nodeInformation() {
    const closed = this.kind.secureOnly && this.security !== "none" ? this.kind.commandClass : undefined;
    const listed = commandClasses(this.kind, this.security)
      .map(({ ccId }) => ccId)
      .filter((ccId) => ccId !== closed);
    return { basic: BASIC, generic: this.kind.generic, specific: this.kind.specific, commandClasses: listed };
  }

  #informing() {
    return {
      handleCC: (_controller, _node, command) =>
        command instanceof ZWaveProtocolCCRequestNodeInformationFrame
          ? { action: "sendCC", cc: this.#information() }
          : undefined,
    };
  }

  #information() {
    const { basic, generic, specific, commandClasses: supportedCCs } = this.nodeInformation();
    return new ZWaveProtocolCCNodeInformationFrame({
      nodeId: this.node.id,
      ...this.node.capabilities,
      basicDeviceClass: basic,
      genericDeviceClass: generic,
      specificDeviceClass: specific,
      supportedCCs,
      controlledCCs: [],
    });
  }

  // Reports

  // Takes on a value and reports it, encrypted when it holds keys.
  async report(value) {
    if (this.node === undefined) throw new Error(`${this.name} is not on the network and can't report.`);
    this.node.state.set(this.kind.key, value);
    this.changed();
    await this.#send(value);
  }

  // Says its last report again: the host could not decrypt it.
  async repeat() {
    const sent = this.#lastSent;
    this.#lastSent = undefined;
    if (sent === undefined || this.node === undefined || performance.now() - sent.at > REPEATABLE_MS) return;
    await this.#encrypted(sent.value);
  }

  async #send(value) {
    const { node, highest } = this;
    if (highest === undefined) return this.#sendPlain(this.kind.report(node.controller.ownNodeId, value));
    if (highest === "S0_Legacy") return this.#sendS0(value);
    this.#lastSent = { value, at: performance.now() };
    return this.#encrypted(value);
  }

  async #encrypted(value) {
    const { node } = this;
    const host = node.controller.ownNodeId;
    const manager = node.securityManagers.securityManager2;
    if (!READY_TO_SEND.has(manager.getSPANState(host).type)) await this.#bootstrapping.askNonce(node.controller, node);
    const command = Security2CC.encapsulate(this.kind.report(host, value), node.id, node.securityManagers);
    await node.sendToController(createMockZWaveRequestFrame(command));
  }

  async #sendS0(value) {
    const { node } = this;
    const host = node.controller.ownNodeId;
    const reported = node.expectControllerFrame(
      (frame) => frame.type === MockZWaveFrameType.Request && frame.payload instanceof SecurityCCNonceReport,
      { timeout: NONCE_WITHIN_MS },
    );
    const ask = createMockZWaveRequestFrame(new SecurityCCNonceGet({ nodeId: host }), { ackRequested: false });
    await node.sendToController(ask);
    const { nonce } = (await reported).payload;
    const command = SecurityCC.encapsulate(
      node.id,
      node.securityManagers.securityManager,
      this.kind.report(host, value),
    );
    command.nonce = nonce;
    await node.sendToController(createMockZWaveRequestFrame(command));
  }

  async #sendPlain(command) {
    await this.node.sendToController(createMockZWaveRequestFrame(command)).catch(() => {}); // nobody heard it
  }

  // Tells Python what is new about it.
  changed() {
    if (this.node !== undefined) this.#state = this.node.state.get(this.kind.key) ?? this.#state;
    const now = {
      device: this.name,
      nodeId: this.node?.id ?? null,
      powered: this.powered,
      state: this.#state,
      keys: Object.fromEntries([...this.keysHeld].map(([key, value]) => [SecurityClass[key], hex(value)])),
    };
    const text = JSON.stringify(now);
    if (text === this.#said) return;
    this.#said = text;
    this.say("device", now);
  }
}


