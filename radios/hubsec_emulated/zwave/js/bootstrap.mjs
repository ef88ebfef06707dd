// The joining side of S2 bootstrapping (CC:009F.01: Key Exchange) and of S0's, as a device does it. The mocks' own is
// in too much of a hurry: it echoes what it supports instead of what it was granted, and never says it again.
import {
  CommandClasses,
  ECDHProfiles,
  KEXSchemes,
  MockZWaveFrameType,
  Security2CC,
  Security2CCKEXFail,
  Security2CCKEXGet,
  Security2CCKEXReport,
  Security2CCKEXSet,
  Security2CCNetworkKeyGet,
  Security2CCNetworkKeyReport,
  Security2CCNetworkKeyVerify,
  Security2CCNonceGet,
  Security2CCNonceReport,
  Security2CCPublicKeyReport,
  Security2CCTransferEnd,
  SecurityCCNetworkKeySet,
  SecurityCCNetworkKeyVerify,
  SecurityCCSchemeGet,
  SecurityClass,
  SecurityManager,
  SecurityManager2,
  computePRK,
  createMockZWaveRequestFrame,
  deriveSharedECDHSecret,
  deriveTempKeys,
} from "./lib.mjs";
import { sleep } from "./frames.mjs";

const ECHO_EVERY_MS = 10_000; // the joining node repeats its KEX Set until the including one answers
const STEP_WITHIN_MS = 10_000; // for each step that waits for the host alone and not for its user
const NONCE_WITHIN_MS = 1_000;
const S0_NONCE_VALID_MS = 10_000;
const STOP = { action: "stop" };
const AUTHENTICATED = [SecurityClass.S2_AccessControl, SecurityClass.S2_Authenticated];

export class Bootstrapping {
  #device;
  #stage = "idle";
  #granted = [];
  #keys = new Map();
  #timer; // of the next echo
  #limit; // of the running step
  #asking = false;

  constructor(device) {
    this.#device = device;
  }

  get running() {
    return this.#stage !== "idle";
  }

  // Whether the exchange goes on by itself. In the other stages it waits for the host's user.
  get busy() {
    return ["granted", "requesting", "verifying", "finishing"].includes(this.#stage);
  }

  #enter(stage, node) {
    this.#stage = stage;
    clearTimeout(this.#limit);
    if (this.busy) this.#limit = setTimeout(() => this.#failed(node), STEP_WITHIN_MS);
  }

  async handleCC(controller, node, command) {
    if (command instanceof Security2CCKEXGet) return this.#begin(controller, node);
    if (command instanceof SecurityCCSchemeGet) return this.#device.highest === undefined ? undefined : STOP;
    if (command instanceof SecurityCCNetworkKeySet) return this.#takeS0(controller, node, command);
    if (command instanceof Security2CCNonceReport) return this.#resynchronized(controller, node, command);
    if (command instanceof Security2CCNonceGet) return this.#nonce(controller, node);
    if (!this.running) return undefined;
    if (command instanceof Security2CCKEXFail) return this.#failed(node);
    if (command instanceof Security2CCPublicKeyReport) return this.#handshake(controller, node, command);
    if (command instanceof Security2CCKEXSet) return command.echo ? STOP : this.#grant(controller, node, command);
    const encrypted = command.isEncapsulatedWith?.(CommandClasses["Security 2"]);
    if (command instanceof Security2CCKEXReport) return encrypted ? this.#askKeys(node) : STOP;
    if (command instanceof Security2CCNetworkKeyReport) return encrypted ? this.#take(controller, node, command) : STOP;
    if (command instanceof Security2CCTransferEnd) return encrypted ? this.#next(controller, node, command) : STOP;
    return undefined;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#enter("idle");
    this.#keys.clear();
  }

  #begin(controller, node) {
    if (!node.securityManagers.securityManager2 || this.#device.highest !== undefined) return STOP;
    this.stop();
    this.#enter("started", node);
    return answer(
      new Security2CCKEXReport({
        nodeId: controller.ownNodeId,
        echo: false,
        supportedKEXSchemes: [KEXSchemes.KEXScheme1],
        supportedECDHProfiles: [ECDHProfiles.Curve25519],
        requestCSA: false,
        requestedKeys: this.#device.requests,
      }),
    );
  }

  #grant(controller, node, command) {
    if (this.#stage !== "started") return STOP;
    this.#enter("granted", node);
    this.#granted = [...command.grantedKeys];
    const publicKey = Uint8Array.from(node.ecdhKeyPair.publicKey);
    // The part that is on the sticker as PIN never crosses the air when a class with a PIN is granted.
    if (this.#granted.some((key) => AUTHENTICATED.includes(key))) publicKey.fill(0, 0, 2);
    return answer(new Security2CCPublicKeyReport({ nodeId: controller.ownNodeId, includingNode: false, publicKey }));
  }

  async #handshake(controller, node, command) {
    if (this.#stage !== "granted" || !command.includingNode) return STOP;
    this.#enter("handshake", node);
    const { publicKey, privateKey } = node.ecdhKeyPair;
    const secret = await deriveSharedECDHSecret({ publicKey: command.publicKey, privateKey });
    const keys = await deriveTempKeys(await computePRK(secret, command.publicKey, publicKey));
    const manager = node.securityManagers.securityManager2;
    manager.deleteNonce(controller.ownNodeId);
    manager.tempKeys.set(controller.ownNodeId, {
      keyCCM: keys.tempKeyCCM,
      personalizationString: keys.tempPersonalizationString,
    });
    await this.askNonce(controller, node);
    void this.#repeatEcho(controller, node);
    return STOP;
  }

  async #repeatEcho(controller, node) {
    if (this.#stage !== "handshake") return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#repeatEcho(controller, node), ECHO_EVERY_MS / this.#device.scale);
    await this.#send(node, this.#echo(controller));
  }

  #echo(controller) {
    return new Security2CCKEXSet({
      nodeId: controller.ownNodeId,
      echo: true,
      selectedKEXScheme: KEXSchemes.KEXScheme1,
      selectedECDHProfile: ECDHProfiles.Curve25519,
      permitCSA: false,
      grantedKeys: this.#granted,
    });
  }

  #askKeys(node) {
    if (this.#stage !== "handshake") return STOP;
    clearTimeout(this.#timer);
    this.#enter("requesting", node);
    return this.#askKey(node);
  }

  #askKey(node) {
    const requestedKey = this.#granted[this.#keys.size];
    const nodeId = node.controller.ownNodeId;
    return answer(encrypt(node, new Security2CCNetworkKeyGet({ nodeId, requestedKey })));
  }

  async #take(controller, node, command) {
    if (this.#stage !== "requesting") return STOP;
    const manager = node.securityManagers.securityManager2;
    const { grantedKey, networkKey } = command;
    this.#keys.set(grantedKey, networkKey);
    node.encodingContext.setSecurityClass(controller.ownNodeId, grantedKey, true);
    await manager.setKey(grantedKey, networkKey);
    this.#enter("verifying", node);
    await this.askNonce(controller, node);
    const verify = new Security2CCNetworkKeyVerify({ nodeId: controller.ownNodeId });
    return answer(Security2CC.encapsulate(verify, node.id, node.securityManagers, { securityClass: grantedKey }));
  }

  #next(controller, node, command) {
    if (this.#stage !== "requesting" || !command.keyVerified || command.keyRequestComplete) return STOP;
    if (this.#keys.size < this.#granted.length) return this.#askKey(node);
    this.#enter("finishing", node);
    void this.#finish(controller, node);
    return STOP;
  }

  async #finish(controller, node) {
    await this.#send(
      node,
      new Security2CCTransferEnd({ nodeId: controller.ownNodeId, keyVerified: false, keyRequestComplete: true }),
    );
    await sleep(5); // its last command under the temporary key is on its way to the host
    await this.#keep(controller, node);
  }

  async #keep(controller, node) {
    if (this.#stage !== "finishing") return;
    const manager = node.securityManagers.securityManager2;
    const keys = new Map(this.#keys);
    this.stop();
    manager.tempKeys.delete(controller.ownNodeId);
    manager.deleteNonce(controller.ownNodeId);
    await hold(node, keys);
    this.#device.secured(keys);
  }

  #failed(node) {
    for (const key of this.#keys.keys()) {
      node.encodingContext.setSecurityClass(node.controller.ownNodeId, key, false);
    }
    this.stop();
    node.securityManagers.securityManager2.tempKeys.delete(node.controller.ownNodeId);
    this.#device.refused();
    return STOP;
  }

  async #nonce(controller, node) {
    const manager = node.securityManagers.securityManager2;
    if (!manager) return STOP;
    if (this.#stage === "verifying") {
      // The key is verified; what follows is under the temporary key again.
      manager.deleteNonce(controller.ownNodeId);
      this.#enter("requesting", node);
    } else if (this.#stage === "finishing") {
      await this.#keep(controller, node);
    }
    const receiverEI = await manager.generateNonce(controller.ownNodeId);
    return answer(new Security2CCNonceReport({ nodeId: controller.ownNodeId, SOS: true, MOS: false, receiverEI }));
  }

  // The host could not decrypt something and sent a nonce to start again from: say it once more.
  #resynchronized(controller, node, command) {
    if (!command.SOS) return STOP;
    if (this.#asking) this.#asking = false;
    else if (this.#stage === "handshake") void this.#repeatEcho(controller, node);
    else if (!this.running) void this.#device.repeat();
    return STOP;
  }

  // Asks the host for a nonce to start a fresh series of them with (SPAN). Throws when none comes.
  async askNonce(controller, node) {
    this.#asking = true; // until the answer has passed `handleCC`
    try {
      const nodeId = controller.ownNodeId;
      const reported = node.expectControllerFrame(
        (frame) =>
          frame.type === MockZWaveFrameType.Request &&
          frame.payload instanceof Security2CCNonceReport &&
          frame.payload.SOS,
        { timeout: NONCE_WITHIN_MS },
      );
      await node.sendToController(
        createMockZWaveRequestFrame(new Security2CCNonceGet({ nodeId }), { ackRequested: false }),
      );
      await reported;
    } catch (error) {
      this.#asking = false;
      throw error;
    }
  }

  async #send(node, command) {
    try {
      await node.sendToController(createMockZWaveRequestFrame(encrypt(node, command)));
    } catch {
      // not acknowledged: what waits for it will time out, as on the air
    }
  }

  async #takeS0(controller, node, command) {
    if (this.#device.highest !== undefined || !command.isEncapsulatedWith(CommandClasses.Security)) return STOP;
    node.securityManagers.securityManager.networkKey = command.networkKey;
    const keys = new Map([[SecurityClass.S0_Legacy, command.networkKey]]);
    node.encodingContext.setSecurityClass(controller.ownNodeId, SecurityClass.S0_Legacy, true);
    this.#device.secured(keys);
    return answer(new SecurityCCNetworkKeyVerify({ nodeId: controller.ownNodeId }));
  }
}

// Gives a node keys as if it had been bootstrapped.
export async function hold(node, keys) {
  const controllerId = node.controller.ownNodeId;
  const managers = node.securityManagers;
  managers.securityManager2 ??= await SecurityManager2.create();
  for (const [securityClass, key] of keys) {
    await managers.securityManager2.setKey(securityClass, key);
    node.encodingContext.setSecurityClass(controllerId, securityClass, true);
    node.encodingContext.setSecurityClass(node.id, securityClass, true);
  }
  const s0 = keys.get(SecurityClass.S0_Legacy);
  if (s0) {
    managers.securityManager = new SecurityManager({
      ownNodeId: node.id,
      networkKey: s0,
      nonceTimeout: S0_NONCE_VALID_MS,
    });
  }
}

const answer = (cc) => ({ action: "sendCC", cc });
const encrypt = (node, command) => Security2CC.encapsulate(command, node.id, node.securityManagers);
